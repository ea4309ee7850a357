"""Weighted area under the ROC curve of many models at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Singles = NDArray[np.float32]


def aucs(positive: Singles, negative: Singles, weights: tuple[Values, Values]) -> Values:
    """Return P(positive > negative) + P(equal) / 2 for each row of scores (N, a) and (N, b), shape (N,).

    Args:
        positive: scores of positive examples.
        negative: scores of negative ones.
        weights: of both, shape (a,) and (b,), summing to 1 each.
    """
    n_positive, n = len(weights[0]), sum(map(len, weights))
    keys = _sort_keys(np.concatenate([positive, negative], axis=1))
    # Sorting integers (score bits above the column number) is several times as fast as an argsort of scores.
    keys <<= 32
    keys |= np.arange(n)
    keys.sort(axis=1)
    columns = keys & 0xFFFFFFFF
    keys >>= 32
    below = np.concatenate([np.zeros(n_positive), weights[1]]).take(columns)
    np.cumsum(below, axis=1, out=below)
    mine = np.concatenate([weights[0], np.zeros(n - n_positive)]).take(columns)
    for row in np.flatnonzero((keys[:, 1:] == keys[:, :-1]).any(axis=1)):
        below[row] = _of_ties(keys[row], below[row])
    return np.asarray(np.einsum("bn,bn->b", mine, below))


def _sort_keys(scores: Singles) -> NDArray[np.int64]:
    """Return integers with the order of the scores; both zeros are equal."""
    bits = (np.asarray(scores, dtype=np.float32) + np.float32(0)).view(np.int32)
    bits ^= (bits >> 31) & 0x7FFFFFFF
    return np.asarray(bits, dtype=np.int64)


def _of_ties(keys: NDArray[np.int64], below: Values) -> Values:
    """Return, for each tie of sorted keys, the mean of ``below`` before its start and at its end, shape (n,)."""
    first, last = np.searchsorted(keys, keys), np.searchsorted(keys, keys, side="right") - 1
    before = np.append(0.0, below)[first]
    return np.asarray((before + below[last]) / 2)
