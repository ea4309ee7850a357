"""Logistic regression on one feature, for many models at once.

The optimum is that of scikit-learn's defaults: sum of log losses plus w^2 / 2 (L2 with C = 1), intercept unpenalised.
The problem is convex, so any convergent method finds the same parameters. Newton steps are damped by log(1 + d) / d, d the
largest change of any logit, which makes every step a descent and keeps convergence quadratic.
Source: Sun and Tran-Dinh, "Generalized self-concordant functions: a recipe for Newton-type methods" (2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

MAX_STEPS = 100
TOLERANCE = 1e-3
"""Stop once no logit changes by more; convergence is quadratic, so the remaining error is about its square."""


def fit(x: Values, y: Values, penalty: Values, start: Values | None = None) -> Values:
    """Return slope and intercept of each model, shape (B, 2).

    Args:
        x: the feature, shape (B, n); of order 1, since steps are measured in it.
        y: 0 or 1, shape (n,), common to all models.
        penalty: factor of w^2 / 2, shape (B,), positive.
        start: initial parameters, shape (B, 2); zeros by default.
    """
    found = np.zeros((len(x), 2)) if start is None else start.copy()
    reach = np.abs(x).max(axis=1)
    active = np.arange(len(x))
    for _ in range(MAX_STEPS):
        step = _newton_step(x if len(active) == len(x) else x[active], y, penalty[active], found[active])
        change = np.abs(step[:, 0]) * reach[active] + np.abs(step[:, 1])
        damping = np.log1p(change) / np.where(change > 0, change, 1.0)
        found[active] -= step * damping[:, None]
        active = active[change > TOLERANCE]
        if not active.size:
            break
    return found


def _expit(z: Values) -> Values:
    """Return 1 / (1 + exp(-z)), written over ``z``; an overflow of the exponential correctly gives 0."""
    with np.errstate(over="ignore"):
        np.exp(np.negative(z, out=z), out=z)
    z += 1
    return np.reciprocal(z, out=z)


def _newton_step(x: Values, y: Values, penalty: Values, at: Values) -> Values:
    """Return the inverse Hessian times the gradient, shape (B, 2)."""
    p = _expit(x * at[:, :1] + at[:, 1:])
    curvature = p * (1 - p)
    p -= y
    weighted = curvature * x
    gradient = np.einsum("bn,bn->b", p, x) + penalty * at[:, 0], p.sum(axis=1)
    ww = np.einsum("bn,bn->b", weighted, x) + penalty
    wb, bb = weighted.sum(axis=1), np.maximum(curvature.sum(axis=1), np.finfo(np.float64).tiny)
    # The determinant is at least penalty * bb (Cauchy-Schwarz); the maximum corrects rounding errors.
    determinant = np.maximum(ww * bb - wb * wb, penalty * bb)
    determinant = np.where(determinant > 0, determinant, 1.0)
    return np.stack(
        [(bb * gradient[0] - wb * gradient[1]) / determinant, (ww * gradient[1] - wb * gradient[0]) / determinant],
        axis=1,
    )
