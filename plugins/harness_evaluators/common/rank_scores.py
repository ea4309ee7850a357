"""Normal scores: values replaced by standard normal quantiles of their ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from harness_evaluators.common import parallel

Values = NDArray[np.float64]

_BLOCK = 50_000
"""Most numbers ranked at once."""


def normal_scores(left: Values, right: Values) -> tuple[Values, Values]:
    """Return Blom's normal scores of every column of (m, n) and (N, n) pooled: ndtri((rank - 3/8) / (m + N + 1/4)).

    Ties share the mean of their ranks. Scores depend on order alone, so that no model gains from extreme outputs, and both
    populations are treated equally. Source: Blom, "Statistical Estimates and Transformed Beta-Variables" (1958).
    """
    n_models = len(left) + len(right)
    # Mid-ranks are multiples of 1/2, so doubled ranks index a table.
    table = ndtri((np.arange(2, 2 * n_models + 1) / 2 - 0.375) / (n_models + 0.25))
    found = np.full((n_models, left.shape[1]), np.nan)

    def work(chosen: slice) -> None:
        found[:, chosen] = table[_double_ranks(np.concatenate([left[:, chosen], right[:, chosen]]).T) - 2].T

    parallel.in_threads(work, parallel.slices(left.shape[1], max(1, _BLOCK // n_models)))
    return found[: len(left)], found[len(left) :]


def _double_ranks(values: Values) -> NDArray[np.int64]:
    """Return twice the mid-rank (from 1) of every value within its row, shape (n, M), so that ranks stay integers."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    places = np.broadcast_to(2 * np.arange(1, values.shape[1] + 1), values.shape).copy()
    new = ordered[:, 1:] != ordered[:, :-1]
    for row in np.flatnonzero(~new.all(axis=1)):
        starts = np.concatenate([[0], np.flatnonzero(new[row]) + 1])
        ends = np.append(starts[1:], values.shape[1])
        places[row] = np.repeat(starts + ends + 1, ends - starts)
    found = np.full(values.shape, -1, dtype=np.int64)
    np.put_along_axis(found, order, places, axis=1)
    return found
