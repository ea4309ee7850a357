"""Compiled twin of :mod:`harness_evaluators._logistic`, equal to rounding."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled, exp, vectorised

Values = NDArray[np.float64]
Order = NDArray[np.int64]
Sums = tuple[float, float, float, float, float]


@vectorised
def _sums(x: Values, y: Values, weights: Values, slope: float, offset: float) -> Sums:
    """Gradient by slope and by offset, and second derivatives by slope, by both, and by offset; without the penalty."""
    gx = g1 = hxx = hx1 = h11 = 0.0
    for i in range(len(x)):
        p = 1 / (1 + exp(-(x[i] * slope + offset)))
        error, curvature = weights[i] * (p - y[i]), weights[i] * p * (1 - p)
        gx += error * x[i]
        g1 += error
        hxx += curvature * x[i] * x[i]
        hx1 += curvature * x[i]
        h11 += curvature
    return gx, g1, hxx, hx1, h11


@vectorised
def _step(sums: Sums, penalty: float, slope: float) -> tuple[float, float]:
    """Inverse Hessian times gradient."""
    gx, g1, hxx, hx1, h11 = sums
    gx += penalty * slope
    hxx += penalty
    h11 = max(h11, np.finfo(np.float64).tiny)
    determinant = max(hxx * h11 - hx1 * hx1, penalty * h11)
    if not determinant > 0:
        determinant = 1.0
    return (h11 * gx - hx1 * g1) / determinant, (hxx * g1 - hx1 * gx) / determinant


@vectorised
def _reach(x: Values, weights: Values) -> float:
    """The largest size of x where it has weight."""
    reach = 0.0
    for i in range(len(x)):
        reach = max(reach, abs(x[i]) * weights[i])
    return reach


@vectorised
def _fit(
    x: Values,
    y: Values,
    weights: Values,
    penalty: float,
    start: tuple[float, float],
    first: Sums,
    reach: float,
    steps: int,
    tolerance: float,
) -> tuple[float, float]:
    """Slope and offset; ``first`` has the sums at the start."""
    slope, offset = start
    sums = first
    for i in range(steps):
        if i > 0:
            sums = _sums(x, y, weights, slope, offset)
        one, other = _step(sums, penalty, slope)
        change = abs(one) * reach + abs(other)
        damping = math.log1p(change) / change if change > 0 else 0.0
        slope -= one * damping
        offset -= other * damping
        if not change > tolerance:
            break
    return slope, offset


@compiled
def _take(values: Values, rows: Order, out: Values) -> None:
    for i in range(len(rows)):
        out[i] = values[rows[i]]


@vectorised
def accuracies(
    x: Values,
    y: Values,
    trains: Values,
    tests: Order,
    penalty: Values,
    steps: int,
    tolerance: float,
    out: Values,
) -> None:
    """Set the mean accuracy over splits of each model's attack, shape (B,).

    Fits to a split begin where the fit to all examples ends. What there is to know of that point is computed once: of a
    split's training examples it is that of all less that of those which are tested.

    Args:
        x: the feature, standardised, shape (B, n).
        y: labels, 0 or 1, shape (n,).
        trains: 1 where a split trains on an example, 0 where it is tested, shape (S, n).
        tests: the examples that a split tests, shape (S, n_tests).
        penalty: shape (B,).
        steps: most Newton steps of a fit.
        tolerance: change of a logit below which a step is the last.
        out: what is set.
    """
    everything, few = np.ones(len(y)), np.ones(tests.shape[1])
    own, labels = np.empty(tests.shape[1]), np.empty(tests.shape[1])
    for s in range(len(x)):
        reach = _reach(x[s], everything)
        start = slope, offset = 0.0, 0.0
        right = 0
        whole = tested = 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(-1, len(trains)):  # all examples, then each split
            weights, its = everything, reach
            if k <= 0:
                start = slope, offset
                whole = _sums(x[s], y, everything, slope, offset)
            if k >= 0:
                _take(x[s], tests[k], own)
                _take(y, tests[k], labels)
                tested = _sums(own, labels, few, start[0], start[1])
                weights = trains[k]
                if _reach(own, few) == reach:
                    its = _reach(x[s], weights)
            first = (
                whole[0] - tested[0],
                whole[1] - tested[1],
                whole[2] - tested[2],
                whole[3] - tested[3],
                whole[4] - tested[4],
            )
            slope, offset = _fit(x[s], y, weights, penalty[s], start, first, its, steps, tolerance)
            for i in range(len(own) if k >= 0 else 0):
                right += (own[i] * slope + offset > 0) == (labels[i] > 0.5)
        out[s] = right / (len(trains) * tests.shape[1])
