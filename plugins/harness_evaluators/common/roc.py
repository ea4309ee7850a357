"""Points of an attack's ROC curve, computed within folds and averaged over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common.likelihood_ratio import Fold

Values = NDArray[np.float64]

RATES = (0.01, 0.001)
"""False positive rates at which the true positive rate is reported."""


def numbers(folds: Sequence[Fold]) -> Values:
    """Return AUC, balanced accuracy and the true positive rate at each of RATES; shape (2 + len(RATES),).

    Folds are weighted by their number of left models. A rate that a fold cannot resolve gives NaN.
    """
    rows = [numbers_of(*ordered(fold)) for fold in folds]
    return np.asarray(np.average(rows, axis=0, weights=[len(fold.left) for fold in folds]))


def curve(folds: Sequence[Fold], rates: Values) -> Values:
    """Return the true positive rate at each false positive rate in (0, 1], averaged over folds; NaN if unresolvable."""
    rows = [tpr_at(*ordered(fold), rates) for fold in folds]
    return np.asarray(np.average(rows, axis=0, weights=[len(fold.left) for fold in folds]))


def numbers_of(left: Values, right: Values) -> Values:
    """Return :func:`numbers` of one fold from its sorted scores."""
    right_half = 0.5 * (1 + _mean_sign(left)) + 0.5 * (1 - _mean_sign(right))
    return np.array([auc(left, right), right_half / 2, *tpr_at(left, right, np.array(RATES))])


def _mean_sign(ordered: Values) -> float:
    """Return the mean sign of a sorted sample."""
    return float(ordered.size - np.searchsorted(ordered, 0.0, "right") - np.searchsorted(ordered, 0.0)) / ordered.size


def ordered(fold: Fold) -> tuple[Values, Values]:
    """Sort the scores of both populations."""
    return _sorted(fold.left), _sorted(fold.right)


def _sorted(values: Values) -> Values:
    """Return all values in ascending order."""
    return np.sort(values, axis=None)


def auc(left: Values, right: Values) -> float:
    """Return P(left > right) + P(left = right) / 2 over all pairs of two sorted samples; O(n log n)."""
    below = np.searchsorted(right, left, side="left")
    tied = right[np.minimum(below, right.size - 1)] == left
    ties = np.searchsorted(right, left[tied], side="right") - below[tied]
    return float((below.sum() + ties.sum() / 2) / (left.size * right.size))


def tpr_at(left: Values, right: Values, rates: Values) -> Values:
    """Return the share of sorted ``left`` above the threshold with ``rates`` on sorted ``right``; NaN if unresolvable.

    Among n + 1 exchangeable scores, a given one exceeds the r-th largest of the other n with probability r / (n + 1). The
    threshold is therefore at r = rate (n + 1), interpolated between two ranks. For equal populations the expectation is
    exactly ``rate``, which gives the floor in closed form.
    """
    ranks = rates * (right.size + 1)
    low = np.clip(np.floor(ranks), 1, right.size).astype(np.int64)
    shares = _above(left, right, low), _above(left, right, np.minimum(low + 1, right.size))
    inside = shares[0] + (ranks - low) * (shares[1] - shares[0])
    return np.asarray(np.where(rates >= 1, 1.0, np.where(ranks < 1, np.nan, inside)))


def _above(left: Values, right: Values, ranks: NDArray[np.int64]) -> Values:
    """Return the share of sorted ``left`` above the rank-th largest of sorted ``right``; a tie counts by the rank's part of
    it.
    """
    thresholds = right[right.size - ranks]
    larger = right.size - np.searchsorted(right, thresholds, side="right")
    equal = right.size - larger - np.searchsorted(right, thresholds, side="left")
    above = left.size - np.searchsorted(left, thresholds, side="right")
    tied = left.size - above - np.searchsorted(left, thresholds, side="left")
    return np.asarray((above + tied * (ranks - larger) / (equal + 1)) / left.size)
