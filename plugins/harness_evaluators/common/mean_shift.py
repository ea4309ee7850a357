"""Direction of a population's confidence shift against retrained models: too little or too much forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from harness_evaluators.common import half_samples
from harness_evaluators.common.bootstrap import Linear

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """Means of phi against those of retrained models.

    Attributes:
        mean: mean over examples of (mean phi - mean phi of retrained) / sd of retrained.
        under: share of examples significantly above retrained (Welch's t-test, two-sided, 5 %): too little forgotten.
        over: share significantly below: too much.
        per_example: the shifts, shape (n,).
    """

    mean: Linear
    under: float
    over: float
    per_example: Values


def spread(retrained: Values, per_example_from: int) -> Values:
    """Return the standard deviation of phi over retrained models (N, n) per example, shape (n,); never zero.

    Below ``per_example_from`` models all examples share the root of the mean variance: single estimates are then too rough
    to divide by. The floor is a thousandth of that root, or the rounding error if that is larger.
    """
    variances = retrained.var(axis=0, ddof=1)
    pooled = variances.mean()
    if len(retrained) < per_example_from:
        variances = np.full_like(variances, pooled)
    rounding = (1e-6 * (1 + np.abs(retrained).mean(axis=0))) ** 2
    return np.asarray(np.sqrt(np.maximum(variances, np.maximum(rounding, 1e-6 * pooled))))


def rule(scale: Values) -> int:
    """Return the ``per_example_from`` that gives fewer models a scale of the same kind (common, or per example)."""
    return 0 if np.ptp(scale) > 0 else np.iinfo(np.int64).max


def winsorised(phi: Values, references: Sequence[Values]) -> Values:
    """Return phi of shape (N, n) cut, per example, to the range of the reference models, widened by itself to either side.

    So a single outlying model cannot dominate a mean; values that occur in practice are unchanged.
    """
    low = np.min([one.min(axis=0) for one in references], axis=0)
    high = np.max([one.max(axis=0) for one in references], axis=0)
    return np.clip(phi, low - (high - low), high + (high - low))


def shift(left: Values, right: Values, scale: Values) -> Shift:
    """Return the shift of ``left`` against retrained ``right``, phi of shape (N, n), in units of ``scale`` (n,)."""
    differences = left.mean(axis=0) - right.mean(axis=0)
    from_size = rule(scale)

    def of_halves(mine: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> Values:
        other = right[theirs]
        return np.asarray(((left[mine].mean(axis=0) - other.mean(axis=0)) / spread(other, from_size)).mean())

    noise = half_samples.deviations((len(left), len(right)), of_halves)
    significant = _welch_p(left, right, differences) < 0.05
    return Shift(
        mean=Linear(float((differences / scale).mean()), deviations=noise),
        under=float((significant & (differences > 0)).mean()),
        over=float((significant & (differences < 0)).mean()),
        per_example=differences / scale,
    )


def _welch_p(left: Values, right: Values, differences: Values) -> Values:
    """Return two-sided p of Welch's t-test per column; for constant columns 0 if they differ, 1 if they are equal."""
    parts = left.var(axis=0, ddof=1) / len(left), right.var(axis=0, ddof=1) / len(right)
    total = parts[0] + parts[1]
    safe = np.where(total > 0, total, 1.0)
    squares = (parts[0] / safe) ** 2 / (len(left) - 1) + (parts[1] / safe) ** 2 / (len(right) - 1)
    freedom = 1 / np.where(total > 0, squares, 1.0)
    p = 2 * stdtr(freedom, -np.abs(differences) / np.sqrt(safe))
    return np.asarray(np.where(total > 0, p, differences == 0))
