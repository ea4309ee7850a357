"""Compiled attack on pairs of models, with all axes that were learned for them, equal to single precision.

Whatever is learned of a single feature orders examples by it: they are sorted once for all attacks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled, copy, exp, settle, vectorised

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]
Keys = NDArray[np.uint64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int32]
Columns = tuple[int, int]

_SIGN = np.uint32(0x80000000)
_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_BITS = 11
_LAST = (1 << _BITS) - 1


@compiled
def _key(score: float, column: int) -> np.uint64:
    """An integer that sorts as the score does, with the column as its lower half."""
    bits = np.float32(np.float32(score) + np.float32(0)).view(np.uint32)
    bits = np.uint32(~bits) if bits & _SIGN else np.uint32(bits | _SIGN)
    return (np.uint64(bits) << _WORD) | np.uint64(column)  # type: ignore[no-any-return]


@compiled
def _set_order(scores: Singles, keys: Keys, spare: Keys, counts: Counts) -> None:
    """Set the sorted keys of all columns: radix sort by the upper two digits, then insertion, or by the lowest one as well."""
    for first in (1, 0):
        counts[:] = 0
        for i in range(len(scores)):
            keys[i] = _key(scores[i], i)
            upper = np.int64(keys[i] >> _WORD)
            counts[0, upper & _LAST] += 1
            counts[1, (upper >> _BITS) & _LAST] += 1
            counts[2, upper >> (2 * _BITS)] += 1
        for p in range(first, 3):
            total = 0
            for digit in range(_LAST + 1):
                total, counts[p, digit] = total + counts[p, digit], total
            for i in range(len(keys)):
                digit = (np.int64(keys[i] >> _WORD) >> (_BITS * p)) & _LAST
                spare[counts[p, digit]] = keys[i]
                counts[p, digit] += 1
            copy(spare, keys)
        if first == 0 or settle(keys, len(keys)):
            return


@compiled
def _follow(scores: Singles, before: Keys, keys: Keys) -> bool:
    """Set the sorted keys of all columns, where they have the order that they had before; whether they have."""
    same, last = True, np.uint64(0)
    for i in range(len(scores)):
        column = np.int64(before[i] & _LOW)
        keys[i] = _key(scores[column], column)
        same &= keys[i] >= last
        last = keys[i]
    return bool(same)


@compiled
def _auc(keys: Keys, positive: Values, negative: Values) -> float:
    """P(positive > negative) + P(equal) / 2 of sorted keys; columns' weights on either side, 0 on the other."""
    area = below = 0.0
    i = 0
    while i < len(keys):
        score, column = keys[i] >> _WORD, np.int64(keys[i] & _LOW)
        one, other = positive[column], negative[column]
        i += 1
        while i < len(keys) and keys[i] >> _WORD == score:
            column = np.int64(keys[i] & _LOW)
            one += positive[column]
            other += negative[column]
            i += 1
        area += one * (below + other / 2)
        below += other
    return area


@vectorised
def _set_scores(features: Singles, weights: Singles, offset: float, out: Singles) -> None:
    """Set scores of all columns of features, shape (d, n)."""
    out[:] = 0
    for a in range(len(weights)):
        weight, row = weights[a], features[a]
        if weight == 0:
            continue
        for i in range(len(out)):
            out[i] += row[i] * weight
    for i in range(len(out)):
        out[i] += np.float32(offset)


@vectorised
def _gains(whole: Singles, base: Singles, weights: Values, sign: float) -> tuple[float, float]:
    """Weighted sums of gains in the truth's probability, and of 1 where there is one, 1/2 where there is none, or 0."""
    total = count = 0.0
    for i in range(len(weights)):
        p = np.float32(1 / (1 + exp(-sign * whole[i])))
        q = np.float32(1 / (1 + exp(-sign * base[i])))
        total += weights[i] * np.float64(p - q)
        count += weights[i] * (1.0 + (p > q) - (p < q)) / 2
    return total, count


@compiled
def judge(
    sides: tuple[Singles, Singles],
    models: Order,
    columns: tuple[Columns, Columns],
    weights: tuple[Values, Values],
    axes: tuple[Singles, Singles],
    keep: Flags,
    compared: tuple[int, int],
    out: Values,
) -> None:
    """Set AUC by feature set, then mean and share of gains, shape (n_axes, b, n_sets + 2), 0 where nothing is kept.

    Args:
        sides: features of all pairs on forgotten and on unseen examples, shape (N, d, n) each.
        models: which pairs are attacked, shape (b,).
        columns: the first of the examples of either side that count, and the one after the last.
        weights: of those examples, summing to 1 on either side.
        axes: weights, shape (n_axes, n_sets, d), and offsets, shape (n_axes, n_sets), of the attacks.
        keep: by which attacks each pair is attacked, shape (n_axes, b).
        compared: the feature sets whose probabilities are compared, whole and base.
        out: what is set.
    """
    n_positive, n = len(weights[0]), len(weights[0]) + len(weights[1])
    n_axes, n_sets, d = axes[0].shape
    features, scores = np.empty((d, n), np.float32), np.empty((n_sets, n), np.float32)
    first, keys, spare = np.empty((n_sets, n), np.uint64), np.empty(n, np.uint64), np.empty(n, np.uint64)
    positive, negative = np.zeros(n), np.zeros(n)
    copy(weights[0], positive[:n_positive])
    copy(weights[1], negative[n_positive:])
    counts = np.empty((3, _LAST + 1), np.int32)
    alone = np.empty(n_sets, np.bool_)
    for j in range(n_sets):
        used = 0
        for k in range(n_axes):
            for a in range(d):
                used += axes[0][k, j, a] != 0
        alone[j] = used <= n_axes
    whole, base = scores[compared[0]], scores[compared[1]]
    for s in range(len(models)):
        for a in range(d):
            copy(sides[0][models[s], a, columns[0][0] :], features[a, :n_positive])
            copy(sides[1][models[s], a, columns[1][0] :], features[a, n_positive:])
        begun = False
        for k in range(n_axes):
            out[k, s] = 0
            if not keep[k, s]:
                continue
            for j in range(n_sets):
                _set_scores(features, axes[0][k, j], axes[1][k, j], scores[j])
                sorted_keys = keys if begun else first[j]
                if not begun or not alone[j] or not _follow(scores[j], first[j], keys):
                    _set_order(scores[j], sorted_keys, spare, counts)
                out[k, s, j] = _auc(sorted_keys, positive, negative)
            begun = True
            one = _gains(whole[:n_positive], base[:n_positive], weights[0], 1.0)
            other = _gains(whole[n_positive:], base[n_positive:], weights[1], -1.0)
            out[k, s, n_sets] = one[0] / 2 + other[0] / 2
            out[k, s, n_sets + 1] = one[1] / 2 + other[1] / 2
