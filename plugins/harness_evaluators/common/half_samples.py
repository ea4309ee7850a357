"""The noise of a statistic over models, from random halves of the models.

Where T1 and T2 are a statistic of two disjoint halves of the models, T1 - T2 has twice the variance of a half, and a statistic
of all models half the variance of a half: (T1 - T2) / 2 has its standard deviation. Unlike leaving out single models (Efron and
Stein 1981), this does not overstate the noise of distances and fitted attacks, which have no first-order term where populations
are alike; it supposes only that the variance falls as 1 / N. Sources: McCarthy, "Pseudo-replication: half samples" (1969);
Politis and Romano, "Large sample confidence regions based on subsamples under minimal assumptions" (1994).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import parallel

Values = NDArray[np.float64]
Keep = NDArray[np.bool_]

HALVINGS = 16
"""How many; the degrees of freedom of the noise."""

LEAST = 16
"""Fewest models of a population: below, a half holds too few for the same attack or distance, and the noise does not scale."""

FEW = f"Without interval: halves of fewer than {LEAST} models do not show its noise."

COLUMNS = 256
"""Most examples on which a mean over examples is computed for each half."""


def deviations(sizes: tuple[int, int], statistics: Callable[[Keep, Keep], Values]) -> Values | None:
    """Return half the differences of ``statistics`` between disjoint halves of the models, shape (HALVINGS, ...).

    The halves of a population depend on its size alone, so that all comparisons with it share them. None below LEAST.

    Args:
        sizes: of the compared and of the retrained population.
        statistics: maps which models take part, shape (N_left,) and (N_right,), to values of any one shape.
    """
    if min(sizes) < LEAST:
        return None
    halves = list(zip(*(_halves(size, side) for side, size in enumerate(sizes)), strict=True))
    both = [*halves, *((~left, ~right) for left, right in halves)]
    found = np.array(parallel.in_threads(lambda half: statistics(*half), both))
    return np.asarray((found[:HALVINGS] - found[HALVINGS:]) / 2)


def of_mean(per_example: Values | None, n: int) -> Values | None:
    """Return the deviations of a mean over n examples from those of some evenly chosen ones, shape (HALVINGS, m).

    The variance of a mean over m is (own variance) / m + (covariance) (m - 1) / m; the former falls further with n.
    """
    if per_example is None:
        return None
    m = per_example.shape[1]
    mean = per_example.mean(axis=1)
    total, own = float((mean**2).mean()), float((per_example**2).mean()) / m
    if m == n or total == 0:
        return np.asarray(mean)
    return np.asarray(mean * np.sqrt((own * m / n + max(0.0, total - own)) / total))


def columns(n: int) -> NDArray[np.int64]:
    """Return the numbers of at most COLUMNS examples out of n, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, COLUMNS)).astype(np.int64))


def _halves(size: int, side: int) -> list[Keep]:
    rng = np.random.default_rng([size, side])
    return [rng.permutation(size) < size // 2 for _ in range(HALVINGS)]
