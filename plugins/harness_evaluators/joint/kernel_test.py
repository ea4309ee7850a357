"""A kernel two-sample test of whole models: a row is a model, a column the rank of its confidence on an example.

Sources: Gretton et al., "A Kernel Two-Sample Test" (2012); Schrab et al., "MMD Aggregated Two-Sample Test" (2023) for several
bandwidths at the exact level. The relative test compares the distance to retrained models with that of the control to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Rows = NDArray[np.int64]

PERMUTATIONS = 999
BANDWIDTHS = (0.25, 1.0, 4.0)
"""Bandwidths of the Gaussian kernel, as multiples of the median squared distance between two models."""

MIDDLE = 1
"""Index of the bandwidth that the reported distance uses."""

ROUNDING = 1e-9
"""Tolerance for equal statistics, whose sums differ in their order."""


@dataclass(frozen=True)
class Kernels:
    """Gaussian kernels between all models of a run.

    Attributes:
        rows: row numbers of each population in the kernels.
        each: by bandwidth, shape (M, M); empty if all models are the same.
    """

    rows: Mapping[str, Rows]
    each: Sequence[Values]

    @classmethod
    def of(cls, populations: Mapping[str, Values]) -> Kernels:
        """Return the kernels between models, given by population as features of shape (N, n)."""
        starts = np.cumsum([0, *map(len, populations.values())])
        rows = {name: np.arange(starts[i], starts[i + 1]) for i, name in enumerate(populations)}
        distances = _squared_distances(np.concatenate(list(populations.values())))
        middle = float(np.median(distances[np.triu_indices(len(distances), 1)]))
        if middle <= 0:
            return cls(rows, ())
        return cls(rows, tuple(np.exp(-distances / (2 * width * middle)) for width in BANDWIDTHS))


def _squared_distances(features: Values) -> Values:
    products = features @ features.T
    norms = np.diag(products)
    return np.asarray(np.maximum(norms[:, None] + norms[None, :] - 2 * products, 0.0))


def p_value(kernels: Kernels, one: str, others: Sequence[str], rng: np.random.Generator) -> float:
    """Return the p-value of a difference between a population and the union of others; 1 if all models are the same.

    Under equal distributions every permutation of all these models is equally likely. The statistic of a bandwidth is the
    squared maximum mean discrepancy; the smallest of the bandwidths' p-values is calibrated by the same permutations.
    """
    if not kernels.each:
        return 1.0
    mine = kernels.rows[one]
    everyone = np.concatenate([mine, *(kernels.rows[name] for name in others)])
    chosen = _permuted(len(mine), len(everyone), rng)
    weights = chosen / len(mine) - (1 - chosen) / (len(everyone) - len(mine))
    return _aggregated([_quadratic(kernel[np.ix_(everyone, everyone)], weights) for kernel in kernels.each])


def relative_p_value(kernels: Kernels, one: str, control: str, reference: str, rng: np.random.Generator) -> float:
    """Return the p-value of a population further from the reference than the control is; 1 if all models are the same.

    Only the population and the control are permuted. The statistic is the difference of their squared distances to the
    reference, so that a control that differs from the reference as well is no reason to reject.
    """
    if not kernels.each:
        return 1.0
    mine, fixed = kernels.rows[one], kernels.rows[reference]
    moved = np.concatenate([mine, kernels.rows[control]])
    chosen = _permuted(len(mine), len(moved), rng)
    sides = chosen / len(mine), (1 - chosen) / (len(moved) - len(mine))
    statistics = []
    for kernel in kernels.each:
        within, across = kernel[np.ix_(moved, moved)], kernel[np.ix_(moved, fixed)].mean(axis=1)
        near, far = (_quadratic(within, side) - 2 * side @ across for side in sides)
        statistics.append(near - far)
    return _aggregated(statistics)


def _permuted(size: int, total: int, rng: np.random.Generator) -> Values:
    """Return which models are labelled as the first population, truly (row 0) and in each permutation; 0 or 1."""
    chosen = np.zeros((PERMUTATIONS + 1, total))
    chosen[0, :size] = 1
    for row in chosen[1:]:
        row[rng.permutation(total)[:size]] = 1
    return chosen


def _quadratic(kernel: Values, weights: Values) -> Values:
    """Return w' K w of each row of weights (B, M), shape (B,)."""
    return np.asarray(np.einsum("bm,bm->b", weights @ kernel, weights))


def _aggregated(statistics: Sequence[Values]) -> float:
    """Return the p-value of the smallest p over statistics, each of shape (PERMUTATIONS + 1,), the true one first."""
    smallest = np.min([_own_p(values) for values in statistics], axis=0)
    return float((smallest <= smallest[0]).mean())


def _own_p(values: Values) -> Values:
    """Return for each entry the share of entries that are at least as large."""
    slack = ROUNDING * max(float(np.abs(values).max()), 1e-300)
    ordered = np.sort(values)
    return np.asarray((len(values) - np.searchsorted(ordered, values - slack, side="left")) / len(values))


def squared_distance(kernel: Values, one: Rows, other: Rows) -> float:
    """Return the unbiased squared maximum mean discrepancy of two populations of two models or more; may be negative."""
    return _off_diagonal(kernel, one) + _off_diagonal(kernel, other) - 2 * float(kernel[np.ix_(one, other)].mean())


def _off_diagonal(kernel: Values, rows: Rows) -> float:
    own = kernel[np.ix_(rows, rows)]
    return float((own.sum() - np.trace(own)) / (len(rows) * (len(rows) - 1)))
