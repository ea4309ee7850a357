"""Compiled twins of what :mod:`harness_evaluators._change` and its attack do on pairs of models, equal to single precision."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled, exp, vectorised

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]
Keys = NDArray[np.uint64]

_TILE = 256
"""Examples that are turned at once."""

_SIGN = np.uint32(0x80000000)
_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)


@vectorised
def _set_posteriors(logits: Singles, rows: Order, out: Singles) -> None:
    """Set posteriors of some examples, shape (C, b), of one model's logits, shape (n, C)."""
    n_classes, size = len(out), len(rows)
    top, total = np.empty(size, np.float32), np.zeros(size, np.float32)
    for i in range(size):
        for c in range(n_classes):
            out[c, i] = logits[rows[i], c]
    top[:] = out[0, :size]
    for c in range(1, n_classes):
        for i in range(size):
            top[i] = max(top[i], out[c, i])
    for c in range(n_classes):
        for i in range(size):
            out[c, i] = exp(np.float64(out[c, i] - top[i]))
            total[i] += out[c, i]
    for c in range(n_classes):
        for i in range(size):
            out[c, i] /= total[i]


@compiled
def _largest(p: Singles, i: int, out: Order) -> None:
    """Set the classes of example i's largest posteriors, in descending order; of equal ones the later class first."""
    count = 0
    for c in range(len(p)):
        place = min(count, len(out) - 1)
        if count == len(out) and p[c, i] < p[out[place], i]:
            continue
        while place > 0 and p[c, i] >= p[out[place - 1], i]:
            out[place] = out[place - 1]
            place -= 1
        out[place] = c
        count = min(count + 1, len(out))


@vectorised
def set_features(
    logits: tuple[Singles, Singles],
    phis: tuple[Values, Values],
    models: tuple[Order, Order],
    examples: tuple[Order, Order],
    clip: float,
    out: Singles,
) -> None:
    """Set the features of pairs of models, shape (B, n, 2 k + 5), as :func:`harness_evaluators._change.features` gives them.

    Args:
        logits: of all models before and after, on a split, shape (N, n_split, C).
        phis: of the same, shape (N, n_split).
        models: which models before and after are paired, shape (B,) each.
        examples: which examples are taken, and their labels, shape (n,) each.
        clip: bound of phi.
        out: what is set.
    """
    n_classes, n = logits[0].shape[2], len(examples[0])
    k = (out.shape[2] - 5) // 2
    before, after = np.empty((n_classes, _TILE), np.float32), np.empty((n_classes, _TILE), np.float32)
    order = np.empty(k, np.int64)
    for s in range(len(models[0])):
        one, other = models[0][s], models[1][s]
        for start in range(0, n, _TILE):
            rows = examples[0][start : start + _TILE]
            _set_posteriors(logits[0][one], rows, before)
            _set_posteriors(logits[1][other], rows, after)
            for i in range(len(rows)):
                x, label = out[s, start + i], examples[1][start + i]
                _largest(before, i, order)
                for c in range(k):
                    p, q = before[order[c], i], after[order[c], i]
                    x[c], x[k + 2 + c] = p, p - q
                x[k], x[2 * k + 2] = before[label, i], before[label, i] - after[label, i]
                first = np.float32(min(max(phis[0][one, rows[i]], -clip), clip))
                second = np.float32(min(max(phis[1][other, rows[i]], -clip), clip))
                x[k + 1], x[2 * k + 3] = first, first - second
                square = np.float32(0)
                for c in range(n_classes):
                    change = before[c, i] - after[c, i]
                    square += change * change
                x[2 * k + 4] = math.sqrt(square)


@vectorised
def add_moments(x: Singles, weights: Values, mean: Values, square: Values) -> None:
    """Add weighted sums of features (B, n, d) and of their products, shapes (B, d) and (B, d, d), to what is there."""
    n, d = x.shape[1:]
    wide = np.empty(d)
    for s in range(len(x)):
        for i in range(n):
            weight = weights[i]
            if weight == 0:
                continue
            for a in range(d):
                wide[a] = x[s, i, a]
            for a in range(d):
                weighted = weight * wide[a]
                mean[s, a] += weighted
                for b in range(d):
                    square[s, a, b] += weighted * wide[b]


@vectorised
def set_scores(x: Singles, models: Order, rows: Order, weights: Singles, offsets: Singles, out: Singles) -> None:
    """Set scores of some pairs on some examples, shape (n_sets, b, m), from features (B, n, d) and weights (n_sets, d)."""
    for s in range(len(models)):
        for i in range(len(rows)):
            features = x[models[s], rows[i]]
            for k in range(len(weights)):
                total = np.float32(0)
                for a in range(len(features)):
                    total += features[a] * weights[k, a]
                out[k, s, i] = total + offsets[k]


@compiled
def set_keys(scores: Singles, first: int, out: Keys) -> None:
    """Set integers that sort as scores (b, m) do, and whose lower half is the column, counted from ``first``."""
    for s in range(len(scores)):
        for i in range(scores.shape[1]):
            bits = np.float32(scores[s, i] + np.float32(0)).view(np.uint32)
            bits = np.uint32(~bits) if bits & _SIGN else np.uint32(bits | _SIGN)
            out[s, first + i] = (np.uint64(bits) << _WORD) | np.uint64(first + i)


@compiled
def set_aucs(keys: Keys, weights: Values, n_positive: int, out: Values) -> None:
    """Set P(positive > negative) + P(equal) / 2 of each row of sorted keys; weights of all columns, positive ones first."""
    for s in range(len(keys)):
        row, below, i, area = keys[s], 0.0, 0, 0.0
        while i < len(row):
            score, positive, negative = row[i] >> _WORD, 0.0, 0.0
            while i < len(row) and row[i] >> _WORD == score:
                column = np.int64(row[i] & _LOW)
                if column < n_positive:
                    positive += weights[column]
                else:
                    negative += weights[column]
                i += 1
            area += positive * (below + negative / 2)
            below += negative
        out[s] = area


@vectorised
def add_gains(whole: Singles, base: Singles, weights: Values, sign: float, gain: Values, share: Values) -> None:
    """Add half the weighted mean gain in the truth's probability, and half the share of examples with one; scores (b, m)."""
    for s in range(len(whole)):
        total = count = 0.0
        for i in range(len(weights)):
            p = np.float32(1 / (1 + exp(-sign * whole[s, i])))
            q = np.float32(1 / (1 + exp(-sign * base[s, i])))
            total += weights[i] * np.float64(p - q)
            count += weights[i] * (1.0 + (p > q) - (p < q)) / 2
        gain[s] += total / 2
        share[s] += count / 2
