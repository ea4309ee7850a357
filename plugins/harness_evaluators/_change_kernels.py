"""Compiled twins of what :mod:`harness_evaluators._change` does on pairs of models, equal to single precision."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import add, copy, exponentiate, vectorised

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]

_TILE = 256
"""Examples that are turned at once."""

_WIDE = 256
"""Examples that are turned to double precision at once."""


@vectorised
def _turn(logits: Singles, rows: Order, out: Singles) -> None:
    """Set logits of some examples, the last class first, shape (C, b), of one model's logits, shape (n, C)."""
    for c in range(len(out)):
        own = out[len(out) - 1 - c]
        for i in range(len(rows)):
            own[i] = logits[np.uint64(rows[i]), np.uint64(c)]


@vectorised
def _set_tops(z: Singles, out: Singles) -> None:
    """Set the largest of every column."""
    copy(z[0], out)
    for c in range(1, len(z)):
        for i in range(len(out)):
            out[i] = max(out[i], z[c, i])


@vectorised
def _divide(x: Singles, divisors: Singles) -> None:
    for c in range(len(x)):
        for i in range(len(divisors)):
            x[c, i] /= divisors[i]


@vectorised
def _set_posteriors(logits: Singles, rows: Order, out: Singles) -> None:
    """Set posteriors of some examples, the last class first, shape (C, b), of one model's logits, shape (n, C)."""
    top, total = np.empty(len(rows), np.float32), np.zeros(len(rows), np.float32)
    _turn(logits, rows, out)
    _set_tops(out, top)
    for c in range(len(out)):
        own = out[len(out) - 1 - c, : len(rows)]
        exponentiate(own, top)
        add(own, total)
    _divide(out, total)


@vectorised
def _lift(p: Singles, q: Singles, k: int, size: int) -> None:
    """Bring the k largest of every column of ``p`` to its front, in descending order and of equal ones the first; q follows."""
    for first in range(k):
        for c in range(len(p) - 1, first, -1):
            for i in range(size):
                one, other, its, others = p[c - 1, i], p[c, i], q[c - 1, i], q[c, i]
                larger = other > one
                p[c - 1, i], p[c, i] = (other if larger else one), (one if larger else other)
                q[c - 1, i], q[c, i] = (others if larger else its), (its if larger else others)


@vectorised
def _set_distances(p: Singles, q: Singles, out: Singles) -> None:
    """Set the Euclidean distances of columns."""
    out[:] = 0
    for c in range(len(p) - 1, -1, -1):
        for i in range(len(out)):
            change = p[c, i] - q[c, i]
            out[i] += change * change
    for i in range(len(out)):
        out[i] = math.sqrt(out[i])


@vectorised
def set_features(
    logits: tuple[Singles, Singles],
    phis: tuple[Values, Values],
    models: tuple[Order, Order],
    examples: tuple[Order, Order],
    clip: float,
    out: Singles,
) -> None:
    """Set the features of pairs of models, shape (B, 2 k + 5, n), as :func:`harness_evaluators._change.features` gives them.

    Args:
        logits: of all models before and after, on a split, shape (N, n_split, C).
        phis: of the same, shape (N, n_split).
        models: which models before and after are paired, shape (B,) each.
        examples: which examples are taken, and their labels, shape (n,) each.
        clip: bound of phi.
        out: what is set.
    """
    n_classes, n = logits[0].shape[2], len(examples[0])
    k = (out.shape[1] - 5) // 2
    before, after = np.empty((n_classes, _TILE), np.float32), np.empty((n_classes, _TILE), np.float32)
    for s in range(len(models[0])):
        one, other = models[0][s], models[1][s]
        for start in range(0, n, _TILE):
            rows = examples[0][start : start + _TILE]
            size = len(rows)
            x = out[s, :, start : start + size]
            _set_posteriors(logits[0][one], rows, before)
            _set_posteriors(logits[1][other], rows, after)
            _set_distances(before, after, out[s, 2 * k + 4, start : start + size])
            for i in range(size):
                own = n_classes - 1 - examples[1][start + i]
                x[k, i], x[2 * k + 2, i] = before[own, i], before[own, i] - after[own, i]
                first = np.float32(min(max(phis[0][one, rows[i]], -clip), clip))
                second = np.float32(min(max(phis[1][other, rows[i]], -clip), clip))
                x[k + 1, i], x[2 * k + 3, i] = first, first - second
            _lift(before, after, k, size)
            for c in range(k):
                for i in range(size):
                    x[c, i], x[k + 2 + c, i] = before[c, i], before[c, i] - after[c, i]


@vectorised
def _widen(x: Singles, weights: Values, wide: Values, weighted: Values) -> float:
    """Set x in double precision, and times weights; returns the sum of the latter."""
    total = 0.0
    for i in range(len(weights)):
        wide[i] = x[i]
        weighted[i] = weights[i] * wide[i]
        total += weighted[i]
    return total


@vectorised
def _products(x: Values, one: Values, two: Values, three: Values, four: Values) -> tuple[float, float, float, float]:
    """Sums of products of x with four others: that many at once, so that x is read once for all."""
    first = second = third = fourth = 0.0
    for i in range(len(x)):
        first += x[i] * one[i]
        second += x[i] * two[i]
        third += x[i] * three[i]
        fourth += x[i] * four[i]
    return first, second, third, fourth


@vectorised
def add_moments(x: Singles, first: int, weights: Values, mean: Values, square: Values) -> None:
    """Add weighted sums of features and of their products, shapes (B, d) and (B, d, d), to what is there.

    Args:
        x: features, shape (B, d, n).
        first: the first of the examples that count.
        weights: of these.
        mean: what sums are added to.
        square: what sums of products are added to.
    """
    d, n = x.shape[1], len(weights)
    wide, weighted, sums = np.empty((d + 3, _WIDE)), np.empty((d, _WIDE)), np.empty((d, d + 3))
    for a in range(d, d + 3):  # rows that make fours of all
        for i in range(_WIDE):
            wide[a, i] = 0
    for s in range(len(x)):
        for a in range(d):
            for b in range(d + 3):
                sums[a, b] = 0
        for start in range(0, n, _WIDE):
            own = weights[start : start + _WIDE]
            size = len(own)
            for a in range(d):
                mean[s, a] += _widen(x[s, a, first + start : first + start + size], own, wide[a], weighted[a])
            for a in range(d):
                for b in range(0, a + 1, 4):
                    found = _products(weighted[a, :size], wide[b], wide[b + 1], wide[b + 2], wide[b + 3])
                    row = sums[a]
                    row[b] += found[0]
                    row[b + 1] += found[1]
                    row[b + 2] += found[2]
                    row[b + 3] += found[3]
        for a in range(d):
            for b in range(a + 1):
                square[s, a, b] += sums[a, b]
        for a in range(d):
            for b in range(a):
                square[s, b, a] = square[s, a, b]
