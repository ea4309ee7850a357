"""Each model's contribution to a statistic without a simple derivative, by leaving out groups of models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import parallel

Values = NDArray[np.float64]
Keep = NDArray[np.bool_]

GROUPS = 8


def contributions(n_models: int, statistic: Callable[[Keep], Values]) -> Values:
    """Return the contributions of models to ``statistic``, shape (n_models, n_statistics).

    Leaving group g of G out changes the statistic by -1 / (G - 1) times the group's mean contribution, to first order.
    Every model of a group of m gets the group's contribution times sqrt(m), so that the variance over models estimates
    what single models would have shown. Source: Shao and Wu, "A general theory for jackknife variance estimation"
    (1989).

    Args:
        n_models: size of the population, at least 2.
        statistic: maps a mask of kept models, shape (n_models,), to statistics, shape (n_statistics,).
    """
    return spread(np.array(parallel.in_threads(statistic, left_out(n_models))), n_models)


def left_out(n_models: int, groups: int = GROUPS) -> list[Keep]:
    """Return masks of the kept models, shape (n_models,), with each of the groups left out in turn."""
    count = min(n_models, groups)
    group = np.arange(n_models) % count
    return [group != g for g in range(count)]


def spread(without: Values, n_models: int) -> Values:
    """Return :func:`contributions` from the statistics without each of the groups, shape (n_groups, n_statistics)."""
    count = len(without)
    scale = np.sqrt(n_models / count) * (count - 1)
    return np.asarray((scale * (without.mean(axis=0) - without))[np.arange(n_models) % count])
