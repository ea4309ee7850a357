"""Compiled attack on pairs of models, with all axes that were learned for them, equal to single precision.

Each axis sorts the examples of a pair anew, though hardly otherwise than the axis before. What sorts an example is an integer,
its key. Keys are dealt into buckets by their distance from where the middle was before, and settled by comparing neighbours:
odd-even transposition sort, whose comparisons do not depend on each other, so that the processor makes many at once. For
that, keys at even places of the order stand in one row and those at odd ones in another. Source: Knuth, "The Art of Computer
Programming" 3 (1998), 5.2.5 and 5.3.4.

Whatever is learned of a single feature orders examples by it: their order is only looked through again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled, copy, vectorised
from harness_evaluators._pair_kernels import gains, set_order, set_scores

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]
Keys = NDArray[np.uint64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int32]
Places = NDArray[np.uint32]
Columns = tuple[int, int]

_SIGN = np.uint32(0x80000000)
_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_ONE = np.uint32(1)
_MANTISSA = 23
_OCTAVES = 4
"""Binary logarithm of how many halvings of the largest distance from the middle are told apart."""

_ROUNDS = 32
"""Most rounds of comparing neighbours."""


@vectorised
def _set_keys(scores: Singles, keys: Keys) -> None:
    """Set integers that sort as the scores do, with the columns as their lower halves."""
    for i in range(len(scores)):
        bits = np.float32(scores[i] + np.float32(0)).view(np.uint32)
        bits = np.uint32(bits ^ (np.uint32(np.int32(bits) >> np.int32(31)) | _SIGN))
        keys[i] = (np.uint64(bits) << _WORD) | np.uint64(i)


@vectorised
def _set_buckets(scores: Singles, middle: np.float32, size: int, out: Places) -> None:
    """Set buckets, 2^size of them: by the distance from the middle, the finer the nearer, by exponent and first bits."""
    half, shift = np.int32(1 << (size - 1)), np.int32(_MANTISSA + _OCTAVES - (size - 1))
    largest = np.int32(0)
    for i in range(len(scores)):
        largest = max(largest, np.float32(abs(scores[i] - middle)).view(np.int32))
    base = np.int32(np.int32(largest >> shift) - half + np.int32(1))
    for i in range(len(scores)):
        distance = np.float32(scores[i] - middle)
        place = max(np.int32(np.int32(np.float32(abs(distance)).view(np.int32) >> shift) - base), np.int32(0))
        out[i] = np.uint32(half + place if distance >= 0 else half - np.int32(1) - place)


@compiled
def _deal(keys: Keys, buckets: Places, counts: Places, out: Keys) -> None:
    """Set keys in the order of their buckets, and of their columns within one."""
    half, total = np.uint32(len(out) // 2), np.uint32(0)
    for b in range(len(counts)):
        counts[b] = 0
    for i in range(len(keys)):
        counts[buckets[i]] += _ONE
    for b in range(len(counts)):
        size = counts[b]
        counts[b] = total
        total = np.uint32(total + size)
    for i in range(len(keys)):
        place = counts[buckets[i]]
        counts[buckets[i]] = np.uint32(place + _ONE)
        out[np.uint32(np.uint32(place & _ONE) * half + np.uint32(place >> _ONE))] = keys[i]


@compiled
def _spread(keys: Keys, out: Keys) -> None:
    """Set sorted keys: first those at even places, then those at odd ones."""
    half = len(out) // 2
    for i in range(len(keys)):
        out[(i & 1) * half + (i >> 1)] = keys[i]


@compiled
def _follow(keys: Keys, out: Keys) -> None:
    """Set keys in the order of the columns that stand in ``out``, one of which may be beyond the last."""
    n = np.uint64(len(keys))
    for i in range(len(out)):
        column = out[i] & _LOW
        if column < n:
            out[i] = keys[column]


@vectorised
def _order_pairs(one: Keys, other: Keys) -> np.uint64:
    """Swap what is out of order between two arrays; 0 where nothing was."""
    changed = np.uint64(0)
    for i in range(len(other)):
        low, high = min(one[i], other[i]), max(one[i], other[i])
        changed |= low ^ one[i]
        one[i] = low
        other[i] = high
    return changed  # type: ignore[no-any-return]


@compiled
def _settle(even: Keys, odd: Keys, after: Keys) -> int:
    """Sort keys that are nearly in order: 0 where they were, 1 where that took few rounds, 2 where it would have taken more.

    ``after`` are the even ones but for the first.
    """
    found = 0
    for i in range(2 * _ROUNDS):
        one, other = (even, odd) if i % 2 == 0 else (odd, after)
        if _order_pairs(one, other) != 0:
            found = 1
        elif i > 0:
            return found
    return 2


@vectorised
def _rising(even: Keys, odd: Keys) -> bool:
    """Whether each score is larger than the one before."""
    found = even[len(odd) - 1] >> _WORD < odd[len(odd) - 1] >> _WORD
    for i in range(len(odd) - 1):
        found &= (even[i] >> _WORD < odd[i] >> _WORD) & (odd[i] >> _WORD < even[i + 1] >> _WORD)
    return bool(found)


@vectorised
def _area(even: Keys, odd: Keys, weights: Values, n_positive: int) -> float:
    """P(positive > negative) of sorted keys without ties; weights by column, those of positive ones first."""
    area = below = 0.0
    first = np.uint64(n_positive)
    for i in range(len(even)):
        one, two = even[i] & _LOW, odd[i] & _LOW
        weight, other = weights[one], weights[two]
        positive = weight if one < first else 0.0
        also = other if two < first else 0.0
        negative = weight - positive
        area += also * negative + (positive + also) * below
        below += negative + (other - also)
    return area


@compiled
def _area_with_ties(keys: Keys, weights: Values, n_positive: int) -> float:
    """P(positive > negative) + P(equal) / 2 of sorted keys, first those at even places."""
    area = below = one = other = 0.0
    score, first, half = np.uint64(0), np.uint64(n_positive), len(keys) // 2
    for i in range(len(keys)):
        key = keys[(i & 1) * half + (i >> 1)]
        if key >> _WORD != score:
            area += one * (below + other / 2)
            below += other
            score, one, other = key >> _WORD, 0.0, 0.0
        weight = weights[key & _LOW]
        positive = weight if key & _LOW < first else 0.0
        one += positive
        other += weight - positive
    return area + one * (below + other / 2)


@compiled
def judge(
    sides: tuple[Singles, Singles],
    models: Order,
    columns: tuple[Columns, Columns],
    weights: Values,
    axes: tuple[Singles, Singles],
    keep: Flags,
    plan: Order,
    compared: tuple[int, int],
    space: tuple[Singles, Keys, Keys, Places, Places, Counts, Values],
    out: Values,
) -> None:
    """Set AUC by feature set, then mean and share of gains, shape (n_axes, b, n_sets + 2), where a pair is kept.

    Args:
        sides: features of all pairs on forgotten and on unseen examples, shape (N, d, n) each.
        models: which pairs are attacked, shape (b,).
        columns: the first of the examples of either side that count, and the one after the last.
        weights: of those examples, forgotten ones first, summing to 1 on either side, and 0, shape (n + 1,).
        axes: weights, shape (n_axes, n_sets, d), and offsets, shape (n_axes, n_sets), of the attacks.
        keep: by which attacks each pair is attacked, shape (n_axes, b).
        plan: shape (2, n_sets): 1 where a feature set is a single feature; the first set with the same axes, or -1 where its
            AUC stands in ``out`` already.
        compared: the feature sets whose probabilities are compared, whole and base.
        space: to work in: scores and features, keys of columns, keys by feature set in some order, which a last one ends
            where n is odd, buckets, their sizes, digits, and what is known of each feature set's order.
        out: what is set.
    """
    values, spare, ordered, buckets, counts, digits, known = space
    n_positive, n = columns[0][1] - columns[0][0], len(weights) - 1
    n_axes, n_sets, d = axes[0].shape
    half, size, keys = ordered.shape[1] // 2, 0, spare[0]
    while 2 << size <= len(counts):
        size += 1
    scores, features = values[:n_sets], values[n_sets:]
    whole, base = scores[compared[0]], scores[compared[1]]
    for s in range(len(models)):
        for a in range(d):
            copy(sides[0][models[s], a, columns[0][0] :], features[a, :n_positive])
            copy(sides[1][models[s], a, columns[1][0] :], features[a, n_positive:])
        begun = False
        for k in range(n_axes):
            if not keep[k, s]:
                continue
            for j in range(n_sets):
                one = scores[j]
                if 0 <= plan[1, j] < j:
                    copy(scores[plan[1, j]], one)
                    out[k, s, j] = out[k, s, plan[1, j]]
                    continue
                set_scores(features, axes[0][k, j], axes[1][k, j], one)
                if plan[1, j] < 0:
                    continue
                mine, even, after, odd = ordered[j], ordered[j, :half], ordered[j, 1:half], ordered[j, half:]
                known[1, j] = known[1, j] if begun else 0.0
                state = 2
                if known[1, j] == 0:
                    middle = mine[((n >> 1) & 1) * half + (n >> 2)] & _LOW
                    _set_keys(one, keys)
                    if begun and plan[0, j] == 1:
                        _follow(keys, mine)
                    else:
                        _set_buckets(one, one[middle], size, buckets)
                        _deal(keys, buckets, counts, mine)
                    state = _settle(even, odd, after)
                if state == 2:
                    known[1, j] = begun  # what would not be settled once is not tried again
                    set_order(one, keys, spare[1], digits)
                    _spread(keys, mine)
                rising = _rising(even, odd)
                if rising and state == 0 and begun and plan[0, j] == 1 and known[0, j] >= 0:
                    out[k, s, j] = known[0, j]
                elif rising:
                    known[0, j] = out[k, s, j] = _area(even, odd, weights, n_positive)
                else:
                    known[0, j], out[k, s, j] = -1.0, _area_with_ties(mine, weights, n_positive)
            begun = True
            for side in range(2):
                first, last = side * n_positive, n_positive if side == 0 else n
                gain, share = gains(whole[first:last], base[first:last], weights[first:last], 1.0 - 2 * side)
                out[k, s, n_sets] += gain / 2
                out[k, s, n_sets + 1] += share / 2
