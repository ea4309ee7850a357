"""The standard error of a mean over examples that share their models.

First-order contributions of the models (:mod:`harness_evaluators.common.bootstrap`) overstate the noise of distances and of
fitted attacks. For equal populations these have no first-order term, and each higher-order term counts more than once (Efron
and Stein, "The jackknife estimate of variance", 1981). The variance of a mean over n examples has two parts,

    var(mean) = (mean variance of an example) / n + (mean covariance of two examples) (n - 1) / n,

of which the first is replaced. The spread of the values over examples contains the noise of each and true differences
between examples. Let r be the correlation over examples of values from disjoint halves of the models. It measures the true
differences, and the share of noise at full size is (1 - r) / (1 + r) (Spearman 1910; Brown 1910). First-order covariances
are correct if a common shift moves all examples, and twice too large for a second-order term. They are multiplied by
(1 + s) / 2. Here s is an example's variance as a share of its first-order variance: 1 if the first order is exact, and above
1/2 otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common.bootstrap import Linear

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
PerExample = Callable[[Flags, Flags], Values]
"""A function from masks of both populations' models, shape (N_left,) and (N_right,), to k values per example, (k, n)."""

LEAST = 8
"""Fewest models of a population for halves: an attack on fewer than four models is a different attack."""


def columns(n: int, most: int) -> NDArray[np.int64]:
    """Return the numbers of at most ``most`` examples out of n, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def halvings(n_models: int) -> list[Flags]:
    """Return three divisions of models into halves, any two of which agree on half of the models; shape (n_models,) each."""
    first, second = (np.arange(n_models) & bit > 0 for bit in (1, 2))
    return [first, second, first ^ second]


def reliabilities(n_left: int, n_right: int, values: PerExample) -> Values:
    """Return mean correlations over examples between ``values`` of disjoint halves of the models, at least 0, shape (k,).

    They are 0 below LEAST models: all spread over examples then counts as noise, which is conservative.
    """
    if min(n_left, n_right) < LEAST:
        return np.zeros(len(values(np.ones(n_left, dtype=np.bool_), np.ones(n_right, dtype=np.bool_))))
    halves = zip(halvings(n_left), halvings(n_right), strict=True)
    pairs = [(values(one, other), values(~one, ~other)) for one, other in halves]
    found = [[_correlation(first, second) for first, second in zip(*pair, strict=True)] for pair in pairs]
    return np.asarray(np.clip(np.mean(found, axis=0), 0.0, 1.0))  # rounding may exceed 1


def _correlation(one: Values, other: Values) -> float:
    """Return Pearson's correlation; 0 if either side is constant or not finite."""
    if not np.isfinite([one, other]).all():
        return 0.0
    first, second = one - one.mean(), other - other.mean()
    size = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / size if size > 0 else 0.0


def corrected(linear: Linear, per_example: Values, reliability: float, first_order: float) -> Linear:
    """Return the statistic with contributions scaled to the standard error that the module describes.

    Args:
        linear: the mean over examples, with first-order contributions; without any it is returned unchanged.
        per_example: values with that mean, up to a constant, shape (n,) of all or of some evenly chosen examples.
        reliability: see :func:`reliabilities`.
        first_order: mean over examples of the variance that first-order contributions give a single example.
    """
    total = variance(linear)
    if total is None or linear.left is None or linear.right is None or total <= 0:
        return linear
    return rescaled(linear, math.sqrt(target(total, per_example, reliability, first_order) / total))


def target(total: float, per_example: Values, reliability: float, first_order: float) -> float:
    """Return the corrected variance of a mean over examples whose first-order variance is ``total``."""
    size = len(per_example)
    noise = float(np.var(per_example, ddof=1)) if len(per_example) > 1 else first_order
    own = min(first_order, noise * (1 - reliability) / (1 + reliability))
    shrunk = (1 + own / first_order) / 2 if first_order > 0 else 1.0
    return own / size + shrunk * max(0.0, total - first_order / size)


def rescaled(linear: Linear, factor: float) -> Linear:
    """Return the statistic with contributions whose deviations from their means are multiplied by ``factor``."""
    if linear.left is None or linear.right is None:
        return linear
    return Linear(linear.value, factor * linear.left, factor * linear.right)


def variance(linear: Linear) -> float | None:
    """Return the variance of a statistic from its contributions; None if they are unknown or of fewer than two models."""
    if linear.left is None or linear.right is None or min(len(linear.left), len(linear.right)) < 2:
        return None
    return float(sum(np.var(side, ddof=1) / len(side) for side in (linear.left, linear.right)))


def of_examples(without: Sequence[Values]) -> float:
    """Return the mean over examples of the jackknife variance of single examples.

    Args:
        without: for each population, values with each of its groups left out, shape (n_groups, n).
    """
    return float(sum((len(one) - 1) * np.var(one, axis=0).mean() for one in without))
