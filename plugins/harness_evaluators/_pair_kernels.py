"""Scores of examples by an attack on a pair of models, their order and their gains, compiled, in single precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled, copy, exp, settle, vectorised

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Keys = NDArray[np.uint64]
Counts = NDArray[np.int32]

_SIGN = np.uint32(0x80000000)
_WORD = np.uint64(32)
_BITS = 11
_LEAST_GAIN = np.float32(1e-3)  # that of _before_after.py
_LAST = (1 << _BITS) - 1


@compiled
def _key(score: float, column: int) -> np.uint64:
    """An integer that sorts as the score does, with the column as its lower half."""
    bits = np.float32(np.float32(score) + np.float32(0)).view(np.uint32)
    bits = np.uint32(~bits) if bits & _SIGN else np.uint32(bits | _SIGN)
    return (np.uint64(bits) << _WORD) | np.uint64(column)  # type: ignore[no-any-return]


@compiled
def set_order(scores: Singles, keys: Keys, spare: Keys, counts: Counts) -> None:
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


@vectorised
def set_scores(features: Singles, weights: Singles, offset: float, out: Singles) -> None:
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
def gains(whole: Singles, base: Singles, weights: Values, sign: float) -> tuple[float, float]:
    """Sum, by weight, gains in the truth's probability, and 1 where there is one, 1/2 where there is hardly any, or 0."""
    total = count = 0.0
    for i in range(len(weights)):
        p = np.float32(1 / (1 + exp(-sign * whole[i])))
        q = np.float32(1 / (1 + exp(-sign * base[i])))
        total += weights[i] * np.float64(p - q)
        count += weights[i] * (1.0 + (p - q > _LEAST_GAIN) - (q - p > _LEAST_GAIN)) / 2
    return total, count
