"""The noise of a statistic over models, from random halves of the models.

Let T1 and T2 be a statistic of two disjoint halves of the models. T1 - T2 has twice the variance of a half, and the
statistic of all models half of it, so (T1 - T2) / 2 has its standard deviation. Leaving out single models (Efron and
Stein 1981) overstates the noise of distances and fitted attacks, which have no first-order term if the populations are
equal. Half samples do not; they assume only that the variance falls as 1 / N. Sources: McCarthy, "Pseudo-replication:
half samples" (1969); Politis and Romano, "Large sample confidence regions based on subsamples under minimal
assumptions" (1994).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import parallel

Values = NDArray[np.float64]
Keep = NDArray[np.bool_]

HALVINGS = 16
"""Number of random halvings; the degrees of freedom of the noise."""

LEAST = 16
"""Fewest models of a population: a smaller half would change the attack or distance, and the noise would not scale."""

FEW = f"Without interval: half samples need {LEAST} models per population."

COLUMNS = 256
"""Most examples in the mean that is computed for each half."""


def deviations(sizes: tuple[int, int], statistics: Callable[[Keep, Keep], Values]) -> Values | None:
    """Return half the differences of ``statistics`` between disjoint halves of the models, shape (HALVINGS, ...).

    The halves of a population depend on its size alone, so that all comparisons with it share them. Return None below
    LEAST models.

    Args:
        sizes: of the compared and of the retrained population.
        statistics: maps masks of the models, shape (N_left,) and (N_right,), to values of any one shape.
    """
    if min(sizes) < LEAST:
        return None
    halves = list(zip(*(_halves(size, side) for side, size in enumerate(sizes)), strict=True))
    both = [*halves, *((~left, ~right) for left, right in halves)]
    found = np.array(parallel.in_threads(lambda half: statistics(*half), both))
    return np.asarray((found[:HALVINGS] - found[HALVINGS:]) / 2)


def of_mean(per_example: Values | None, n: int) -> Values | None:
    """Return the deviations of a mean over n examples from those of m evenly chosen ones, shape (HALVINGS, m).

    The variance of a mean over m is (own variance) / m + (covariance) (m - 1) / m; the first part falls further with n.
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
