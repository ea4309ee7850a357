"""What single examples add to an attack's numbers; their noise needs it, see :mod:`harness_evaluators._example_noise`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness_evaluators import _roc
from harness_evaluators._lira import Fold

Values = NDArray[np.float64]
Columns = NDArray[np.int64]


def judged(folds: Sequence[Fold], columns: Columns) -> tuple[Values, Values]:
    """The numbers of an attack, shape (4,), and how each of some examples moves them, shape (4, len(columns)).

    Contributions to first order, the scores being given: the AUC moves by an example's placements among the other
    population's scores (Hanley and Hajian-Tilaki 1997), a true positive rate also by the threshold, through the slope of
    the ROC curve. NaN where a fold cannot resolve the rate.
    """
    numbers, examples = zip(*(_of_fold(fold, columns) for fold in folds), strict=True)
    weights = [len(fold.left) for fold in folds]
    return np.asarray(np.average(numbers, axis=0, weights=weights)), np.asarray(
        np.average(examples, axis=0, weights=weights)
    )


def _of_fold(fold: Fold, columns: Columns) -> tuple[Values, Values]:
    left, right = _roc.ordered(fold)
    mine, other = fold.left[:, columns], fold.right[:, columns]
    placed = _placements(right, mine) - _placements(left, other)
    signs = (np.sign(mine).mean(axis=0) - np.sign(other).mean(axis=0)) / 4
    rates = [_at(rate, left, right, mine, other) for rate in _roc.RATES]
    return _roc.numbers_of(left, right), np.stack([placed, signs, *rates])


def _placements(ordered: Values, values: Values) -> Values:
    """Share of a sorted sample below values of shape (N, m), ties half, mean over N; shape (m,)."""
    flat = values.ravel()
    # Searching in order stays near the processor's cache.
    order = np.argsort(flat)
    below = ordered.searchsorted(flat[order], "left") + ordered.searchsorted(flat[order], "right")
    found = np.full(flat.shape, np.nan)
    found[order] = below / (2 * len(ordered))
    return np.asarray(found.reshape(values.shape).mean(axis=0))


def _at(rate: float, left: Values, right: Values, mine: Values, other: Values) -> Values:
    """An example's part in the true positive rate at ``rate``."""
    if rate * (right.size + 1) < 1:
        return np.full(mine.shape[1], np.nan)
    threshold = right[right.size - max(1, round(rate * (right.size + 1)))]
    ends = np.array([max(rate / 2, 1 / (right.size + 1)), 2 * rate])
    low, high = _roc.tpr_at(left, right, ends)
    slope = (high - low) / (ends[1] - ends[0])
    return np.asarray((mine > threshold).mean(axis=0) - slope * ((other > threshold).mean(axis=0) - rate))
