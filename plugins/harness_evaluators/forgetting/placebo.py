"""Confidences on the forget set calibrated on the test set, which removes effects that are common to all examples.

The test set is a placebo: no plugin ever sees it. A model with another temperature, or with less training, differs from
retrained models there as much as on the forget set, without any memory of the forget set. Two steps remove that difference,
within each model:

1. Each confidence becomes the normal score of its rank among the model's own confidences on the test set. It is invariant to
   monotone changes of a model's outputs (the comparison within a model is that of Zarifzadeh et al., "Low-Cost High-Power
   Membership Inference Attacks", 2024).
2. The model's own mean score of test examples of the same difficulty is subtracted from each forgotten example's score (a
   difference in differences). Difficulty is the mean score under reference models; the mean is a quadratic regression on
   it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from harness_evaluators.common import mapped

Values = NDArray[np.float64]

LEAST = 30
"""Fewest unseen examples for a placebo."""


@dataclass(frozen=True)
class Scores:
    """Normal scores of each model's confidences among its own confidences on unseen examples.

    Attributes:
        forget: shape (N, n).
        unseen: shape (N, m).
    """

    forget: Values
    unseen: Values

    def of_first(self, models: int) -> Scores:
        """Return the scores of the first ``models``."""
        return Scores(self.forget[:models], self.unseen[:models])


def scores(forget: Values, unseen: Values) -> Scores:
    """Return normal scores of phi, shape (N, n) and (N, m), by rank among ``unseen``; ties count half."""
    ordered = mapped.kept(np.sort(unseen, axis=1))
    return Scores(_scores(forget, ordered), _scores(unseen, ordered))


def _scores(values: Values, ordered: Values) -> Values:
    most = ordered.shape[1]
    table = ndtri((np.arange(2 * most + 1) / 2 + 0.5) / (most + 1))  # mid-ranks are multiples of 1/2
    found = mapped.full(values.shape, np.nan)
    for row, ours, others in zip(found, values, ordered, strict=True):
        order = np.argsort(ours)
        below = np.searchsorted(
            others, ours[order], side="left"
        )  # sorted queries are faster: each search begins near the last
        twice, tied = 2 * below, others[np.minimum(below, most - 1)] == ours[order]
        if tied.any():
            twice[tied] = below[tied] + np.searchsorted(others, ours[order][tied], side="right")
        row[order] = table[twice]
    return found


def adjusted(ours: Scores, reference: Scores) -> Values:
    """Subtract from each forgotten example's score the model's own score of unseen examples of the same difficulty.

    Args:
        ours: of the models to adjust.
        reference: of the models with the mean score that defines difficulty.

    Returns:
        shape (N, n).
    """
    return np.asarray(ours.forget - _expected(ours, reference.forget, reference))


def residuals(ours: Scores, reference: Scores) -> Values:
    """Subtract the same from the unseen examples' own scores, shape (N, m)."""
    return np.asarray(ours.unseen - _expected(ours, reference.unseen, reference))


def _expected(ours: Scores, wanted: Values, reference: Scores) -> Values:
    """Return each model's mean score of unseen examples with difficulty ``wanted``."""
    difficulty = reference.unseen.mean(axis=0)
    at = np.clip(wanted.mean(axis=0), difficulty.min(), difficulty.max())
    coefficients = ours.unseen @ np.linalg.pinv(_quadratic(difficulty)).T
    return np.asarray(coefficients @ _quadratic(at).T)


def _quadratic(values: Values) -> Values:
    return np.stack([np.ones_like(values), values, values**2], axis=1)
