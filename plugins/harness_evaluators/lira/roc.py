"""Numbers of an attack's ROC curve, computed within folds and averaged over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common.likelihood_ratio import Fold

Values = NDArray[np.float64]

RATES = (0.01, 0.001)
"""The false positive rates at which the true positive rate is reported."""


def numbers(folds: Sequence[Fold]) -> Values:
    """AUC, balanced accuracy and the true positive rate at each of RATES; shape (2 + len(RATES),).

    Each fold counts by its number of left models. A rate below what a fold can resolve gives NaN.
    """
    rows = [numbers_of(*ordered(fold)) for fold in folds]
    return np.asarray(np.average(rows, axis=0, weights=[len(fold.left) for fold in folds]))


def curve(folds: Sequence[Fold], rates: Values) -> Values:
    """True positive rate at each false positive rate in (0, 1], averaged over folds; NaN where a fold has too few scores."""
    rows = [tpr_at(*ordered(fold), rates) for fold in folds]
    return np.asarray(np.average(rows, axis=0, weights=[len(fold.left) for fold in folds]))


def numbers_of(left: Values, right: Values) -> Values:
    """Return the same as :func:`numbers`, from the sorted scores of one fold."""
    right_half = 0.5 * (1 + _mean_sign(left)) + 0.5 * (1 - _mean_sign(right))
    return np.array([auc(left, right), right_half / 2, *tpr_at(left, right, np.array(RATES))])


def _mean_sign(ordered: Values) -> float:
    """Of a sorted sample."""
    return float(ordered.size - np.searchsorted(ordered, 0.0, "right") - np.searchsorted(ordered, 0.0)) / ordered.size


def ordered(fold: Fold) -> tuple[Values, Values]:
    """Sort the scores of both populations."""
    return _sorted(fold.left), _sorted(fold.right)


def _sorted(values: Values) -> Values:
    """All values in ascending order."""
    return np.sort(values, axis=None)


def auc(left: Values, right: Values) -> float:
    """P(left > right) + P(left = right) / 2 over all pairs of two sorted samples; O(n log n)."""
    below = np.searchsorted(right, left, side="left")
    tied = right[np.minimum(below, right.size - 1)] == left
    ties = np.searchsorted(right, left[tied], side="right") - below[tied]
    return float((below.sum() + ties.sum() / 2) / (left.size * right.size))


def tpr_at(left: Values, right: Values, rates: Values) -> Values:
    """Share of sorted ``left`` above the threshold that gives ``rates`` on sorted ``right``; NaN where unresolvable.

    Among n + 1 exchangeable scores one exceeds the r-th largest of the other n with probability r / (n + 1). The
    threshold therefore lies at r = rate (n + 1), between two ranks by interpolation: where both samples are alike, the
    expectation is exactly ``rate``. That is the floor in closed form.
    """
    ranks = rates * (right.size + 1)
    low = np.clip(np.floor(ranks), 1, right.size).astype(np.int64)
    shares = _above(left, right, low), _above(left, right, np.minimum(low + 1, right.size))
    inside = shares[0] + (ranks - low) * (shares[1] - shares[0])
    return np.asarray(np.where(rates >= 1, 1.0, np.where(ranks < 1, np.nan, inside)))


def _above(left: Values, right: Values, ranks: NDArray[np.int64]) -> Values:
    """Share of sorted ``left`` above the rank-th largest of sorted ``right``; of a tie, the rank's part of the tie."""
    thresholds = right[right.size - ranks]
    larger = right.size - np.searchsorted(right, thresholds, side="right")
    equal = right.size - larger - np.searchsorted(right, thresholds, side="left")
    above = left.size - np.searchsorted(left, thresholds, side="right")
    tied = left.size - above - np.searchsorted(left, thresholds, side="left")
    return np.asarray((above + tied * (ranks - larger) / (equal + 1)) / left.size)
