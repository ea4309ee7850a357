"""Means over pairs of models, with each model's contribution: a model is part of many pairs, so pairs are not independent.

A mean over all pairs is a U-statistic, and its variance to first order is that of the models' own means (Hoeffding 1948).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common.bootstrap import Linear

Values = NDArray[np.float64]


def across(similarities: Values) -> Linear:
    """Return the mean similarity of models of two populations, from all pairs, shape (N_left, N_right)."""
    value = float(similarities.mean())
    return Linear(value, similarities.mean(axis=1) - value, similarities.mean(axis=0) - value)


def within(similarities: Values) -> Linear:
    """Return the mean similarity of different models of one population, shape (N, N); contributions are in ``left``."""
    n = len(similarities)
    own = (similarities.sum(axis=1) - np.diag(similarities)) / (n - 1)
    value = float(own.mean())
    return Linear(value, 2 * (own - value))


def distance(left: Values, between: Values, right: Values) -> Linear:
    """Return the squared distance of two populations' mean embeddings, E s(L, L') + E s(R, R') - 2 E s(L, R).

    The similarities are inner products of unit vectors, so that it is never negative, and 0 for equal populations. The
    estimate is unbiased, and may therefore be negative. Source: Gretton et al., "A Kernel Two-Sample Test" (2012).

    Args:
        left, right: similarities within the populations, shapes (N_left, N_left) and (N_right, N_right).
        between: of all pairs across, shape (N_left, N_right).
    """
    one, other, cross = within(left), within(right), across(between)
    assert one.left is not None  # noqa: S101
    assert other.left is not None  # noqa: S101
    assert cross.left is not None  # noqa: S101
    assert cross.right is not None  # noqa: S101
    value = one.value + other.value - 2 * cross.value
    return Linear(value, one.left - 2 * cross.left, other.left - 2 * cross.right)
