"""Compiled twins of what :mod:`harness_evaluators._posteriors` does on pairs of models, equal to single precision."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import copy, exp, log, vectorised

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]

_HALF = np.float32(0.5)
_TINY = np.finfo(np.float32).tiny
_LN2 = math.log(2)


@vectorised
def set_side(logits: Singles, models: Order, halves: Singles, entropies: Singles) -> None:
    """Set half of the posteriors, shape (b, C, n), and entropies, shape (b, n), of some models; logits (N, n, C)."""
    n, n_classes = logits.shape[1:]
    top, total = np.empty(n, np.float32), np.empty(n, np.float32)
    for s in range(len(models)):
        z, own, p = logits[models[s]], entropies[s], halves[s]
        for i in range(n):
            for c in range(n_classes):
                p[c, i] = z[i, c]
        copy(p[0], top)
        for c in range(1, n_classes):
            for i in range(n):
                top[i] = max(top[i], p[c, i])
        total[:] = 0
        for c in range(n_classes):
            for i in range(n):
                p[c, i] = exp(np.float64(p[c, i] - top[i]))
                total[i] += p[c, i]
        own[:] = 0
        for c in range(n_classes):
            for i in range(n):
                whole = max(p[c, i] / total[i], _TINY)
                p[c, i] = max(whole * _HALF, _TINY)
                own[i] -= whole * log(whole)


@vectorised
def divergences(
    left: tuple[Singles, Singles], right: tuple[Singles, Singles], one: Order, other: Order, out: Values
) -> None:
    """Set the mean Jensen-Shannon divergence in bits of each pair; halves and entropies of either side."""
    halves, others = left[0], right[0]
    n_classes, n = halves.shape[1:]
    middle = np.empty(n, np.float32)
    for s in range(len(one)):
        p, q, p_own, q_own = halves[one[s]], others[other[s]], left[1][one[s]], right[1][other[s]]
        middle[:] = 0
        for c in range(n_classes):
            for i in range(n):
                mean = p[c, i] + q[c, i]
                middle[i] -= mean * log(mean)
        total = 0.0
        for i in range(n):
            nats = np.float64(middle[i]) - (np.float64(p_own[i]) + np.float64(q_own[i])) / 2
            total += min(max(nats / _LN2, 0.0), 1.0)
        out[s] = total / n


@vectorised
def distances(halves: Singles, others: Singles, one: Order, other: Order, out: Values) -> None:
    """Set the mean Euclidean distance of each pair's posteriors, from halves of them."""
    n_classes, n = halves.shape[1:]
    squares = np.empty(n, np.float32)
    for s in range(len(one)):
        p, q = halves[one[s]], others[other[s]]
        squares[:] = 0
        for c in range(n_classes):
            for i in range(n):
                change = p[c, i] - q[c, i]
                squares[i] += change * change
        total = 0.0
        for i in range(n):
            total += math.sqrt(squares[i])
        out[s] = 2 * total / n
