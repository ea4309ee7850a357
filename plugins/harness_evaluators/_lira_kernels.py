"""Compiled parts of :mod:`harness_evaluators._lira` and :mod:`harness_evaluators._roc`, equal to rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled, settle, vectorised

Values = NDArray[np.float64]
Folds = NDArray[np.int64]


@vectorised
def add_sums(phi: Values, folds: Folds, centre: Values, sums: Values, squares: Values) -> None:
    """Add, per fold, the deviations of phi (N, n) from ``centre`` (n,) and their squares to (K, n) each; no fold is -1."""
    for s in range(len(phi)):
        if folds[s] < 0:
            continue
        row, total, square = phi[s], sums[folds[s]], squares[folds[s]]
        for i in range(len(centre)):
            deviation = row[i] - centre[i]
            total[i] += deviation
            square[i] += deviation * deviation


@vectorised
def set_scores(phi: Values, folds: Folds, fold: int, one: Values, other: Values, out: Values) -> None:
    """Set the log likelihood ratios of the models of a fold, shape (a, n).

    Args:
        phi: of all models, shape (N, n).
        folds: shape (N,).
        fold: the one that is scored.
        one: the mean, -1 / (2 variance) and -ln(variance) / 2 of the first population's Gaussians, shape (3, n).
        other: of the second population's.
        out: what is set.
    """
    count = 0
    for s in range(len(phi)):
        if folds[s] != fold:
            continue
        row, scores = phi[s], out[count]
        for i in range(len(row)):
            first, second = row[i] - one[0, i], row[i] - other[0, i]
            scores[i] = (first * first * one[1, i] + one[2, i]) - (second * second * other[1, i] + other[2, i])
        count += 1


@compiled
def pairs_won(left: Values, right: Values) -> int:
    """Twice the number of pairs with left > right, plus the number of pairs that are equal; sorted samples."""
    below = upto = won = 0
    for i in range(len(left)):
        value = left[i]
        while below < len(right) and right[below] < value:
            below += 1
        upto = max(upto, below)
        while upto < len(right) and right[upto] == value:
            upto += 1
        won += below + upto
    return won


@compiled
def ordered(values: Values, out: Values, spare: Values) -> bool:
    """Sort values into ``out``; whether that was possible without trying too hard.

    Radix sort of the upper halves of integers that are ordered as the numbers are, 11 bits at a time, then insertion
    for what differs in the lower halves alone: little, unless numbers are all but equal.
    """
    counts = np.zeros((3, 2048), np.int64)
    for i in range(len(values)):
        key = _upper(values[i])
        counts[0, key & 2047] += 1
        counts[1, (key >> 11) & 2047] += 1
        counts[2, key >> 22] += 1
    for p in range(3):
        total = 0
        for k in range(2048):
            total, counts[p, k] = total + counts[p, k], total
    _scatter(values, out, 0, counts[0])
    _scatter(out, spare, 11, counts[1])
    _scatter(spare, out, 22, counts[2])
    return settle(out, 16 * len(out))


@compiled
def _upper(value: float) -> int:
    bits = np.float64(value + 0.0).view(np.int64)
    bits ^= (bits >> 63) | np.int64(-0x8000000000000000)
    return (bits >> 32) & 0xFFFFFFFF  # type: ignore[no-any-return]


@compiled
def _scatter(values: Values, out: Values, shift: int, starts: Folds) -> None:
    for i in range(len(values)):
        digit = (_upper(values[i]) >> shift) & 2047
        out[starts[digit]] = values[i]
        starts[digit] += 1
