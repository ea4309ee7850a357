"""Compiled twin of :mod:`harness_evaluators._logistic`, equal to rounding."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import exp, vectorised

Values = NDArray[np.float64]


@vectorised
def _step(x: Values, y: Values, weights: Values, penalty: float, slope: float, offset: float) -> tuple[float, float]:
    """Inverse Hessian times gradient."""
    gx = g1 = hxx = hx1 = h11 = 0.0
    for i in range(len(x)):
        p = 1 / (1 + exp(-(x[i] * slope + offset)))
        error, curvature = weights[i] * (p - y[i]), weights[i] * p * (1 - p)
        gx += error * x[i]
        g1 += error
        hxx += curvature * x[i] * x[i]
        hx1 += curvature * x[i]
        h11 += curvature
    gx += penalty * slope
    hxx += penalty
    h11 = max(h11, np.finfo(np.float64).tiny)
    determinant = max(hxx * h11 - hx1 * hx1, penalty * h11)
    if not determinant > 0:
        determinant = 1.0
    return (h11 * gx - hx1 * g1) / determinant, (hxx * g1 - hx1 * gx) / determinant


@vectorised
def _fit(
    x: Values, y: Values, weights: Values, penalty: float, start: tuple[float, float], steps: int, tolerance: float
) -> tuple[float, float]:
    slope, offset = start
    reach = 0.0
    for i in range(len(x)):
        reach = max(reach, abs(x[i]) * weights[i])
    for _ in range(steps):
        one, other = _step(x, y, weights, penalty, slope, offset)
        change = abs(one) * reach + abs(other)
        damping = math.log1p(change) / change if change > 0 else 0.0
        slope -= one * damping
        offset -= other * damping
        if not change > tolerance:
            break
    return slope, offset


@vectorised
def accuracies(
    x: Values, y: Values, trains: Values, penalty: Values, steps: int, tolerance: float, out: Values
) -> None:
    """Set the mean accuracy over splits of each model's attack, shape (B,).

    Args:
        x: the feature, standardised, shape (B, n).
        y: labels, 0 or 1, shape (n,).
        trains: 1 where a split trains on an example, 0 where it is tested, shape (S, n).
        penalty: shape (B,).
        steps: most Newton steps of a fit.
        tolerance: change of a logit below which a step is the last.
        out: what is set.
    """
    everything = np.ones(len(y))
    for s in range(len(x)):
        start = _fit(x[s], y, everything, penalty[s], (0.0, 0.0), steps, tolerance)
        total = 0.0
        for k in range(len(trains)):
            slope, offset = _fit(x[s], y, trains[k], penalty[s], start, steps, tolerance)
            right = tested = 0.0
            for i in range(len(y)):
                answer = x[s, i] * slope + offset > 0
                right += (1 - trains[k, i]) * (answer == (y[i] > 0.5))
                tested += 1 - trains[k, i]
            total += right / tested
        out[s] = total / len(trains)
