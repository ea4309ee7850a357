"""Compiled parts of :mod:`harness_evaluators._lira` and :mod:`harness_evaluators._roc`, equal to rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled, settle, vectorised

Values = NDArray[np.float64]
Folds = NDArray[np.int64]
Starts = NDArray[np.uint32]

_SHIFTS, _DIGIT = (np.uint64(0), np.uint64(11), np.uint64(22)), np.uint64(2047)
"""Without a sign, as all that arrays are looked up by here: what has one may count from the end, which costs a look."""


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
    below, tied = _below(left, right)
    if not tied:
        return 2 * below
    i = j = won = 0
    for value in left:
        while i < len(right) and right[i] < value:
            i += 1
        j = max(i, j)
        while j < len(right) and right[j] == value:
            j += 1
        won += i + j
    return won


_NONE, _ONE = np.uint64(0), np.uint64(1)
_State = tuple[np.uint64, np.uint64, np.uint64, np.uint64]
"""Of a merge: how many are passed over on either side, pairs with left > right among them, and values that were equal."""


@compiled
def _below(left: Values, right: Values) -> tuple[int, bool]:
    """The number of pairs with left > right, and whether two may be equal; sorted samples.

    Two parts are merged side by side: each step of one waits for what the step before it compared.
    """
    i, j = len(left) // 2, 0
    end = len(right)
    while j < end:
        middle = (j + end) // 2
        if right[middle] < left[i]:
            j = middle + 1
        else:
            end = middle
    one, two = (_NONE, _NONE, _NONE, _NONE), (np.uint64(i), np.uint64(j), _NONE, _NONE)
    safe = 1
    while safe > 0:
        safe = min(_safe(one, i, j), _safe(two, len(left), len(right)))
        for _ in range(safe):
            one, two = _step(left, right, one), _step(left, right, two)
    one, two = _last(left, right, one, i, j), _last(left, right, two, len(left), len(right))
    return int(one[2] + two[2]), one[3] + two[3] > _NONE


@compiled
def _safe(state: _State, left_end: int, right_end: int) -> int:
    """How many steps cannot lead beyond the end."""
    return int(min(left_end - np.int64(state[0]), right_end - np.int64(state[1])))


@compiled
def _last(left: Values, right: Values, state: _State, left_end: int, right_end: int) -> _State:
    """All steps that are left."""
    while _safe(state, left_end, right_end) > 0:
        state = _step(left, right, state)
    i, j, below, tied = state
    return i, j, below + j * (np.uint64(left_end) - i), tied


@compiled
def _step(left: Values, right: Values, state: _State) -> _State:
    """Pass over the smaller of two values, the left one of equal ones."""
    i, j, below, tied = state
    one, other = left[i], right[j]
    first = np.uint64(one <= other)
    return i + first, j + (_ONE - first), below + j * first, tied + np.uint64(one == other)


@compiled
def ordered(values: Values, out: Values, spare: Values) -> bool:
    """Sort values into ``out``; whether that was possible without trying too hard.

    Radix sort of the upper halves of integers that are ordered as the numbers are, 11 bits at a time, then insertion
    for what differs in the lower halves alone: little, unless numbers are all but equal.
    """
    counts = np.zeros((3, 2048), np.uint32)
    for i in range(len(values)):
        key = _upper(values[i])
        counts[0, key & _DIGIT] += 1
        counts[1, (key >> _SHIFTS[1]) & _DIGIT] += 1
        counts[2, key >> _SHIFTS[2]] += 1
    for p in range(3):
        total = np.uint32(0)
        for k in range(2048):
            total, counts[p, k] = np.uint32(total + counts[p, k]), total
    _scatter(values, out, _SHIFTS[0], counts[0])
    _scatter(out, spare, _SHIFTS[1], counts[1])
    _scatter(spare, out, _SHIFTS[2], counts[2])
    return settle(out, 16 * len(out))


@compiled
def _upper(value: float) -> np.uint64:
    bits = np.float64(value + 0.0).view(np.int64)
    bits ^= (bits >> 63) | np.int64(-0x8000000000000000)
    found: np.uint64 = np.uint64(bits) >> np.uint64(32)
    return found


@compiled
def _scatter(values: Values, out: Values, shift: np.uint64, starts: Starts) -> None:
    for i in range(len(values)):
        digit = (_upper(values[i]) >> shift) & _DIGIT
        out[starts[digit]] = values[i]
        starts[digit] += np.uint32(1)
