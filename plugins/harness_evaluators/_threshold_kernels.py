"""Compiled twin of the features of :mod:`harness_evaluators._threshold_mia`, equal to rounding.

Every class costs one exponential and one logarithm: posteriors are exponentials of logits less the second largest, times
what all of them have in common.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import exp, log_rest, vectorised

Values = NDArray[np.float64]
Order = NDArray[np.int64]

TILE = 256
"""Examples that are turned at once."""

ROWS = 8
"""Numbers that are worked on for each of them, beside the logits."""


@vectorised
def _turn(logits: NDArray[np.floating], rows: Order, out: Values) -> None:
    """Set logits of some examples, classes first, of one model's logits, shape (n, C)."""
    for i in range(len(rows)):
        z = logits[rows[i]]
        for c in range(len(out)):
            out[c, i] = z[c]


@vectorised
def _set_tops(z: Values, size: int, top: Values, second: Values, label: Order) -> None:
    """Set the largest and the second largest of every column of (C, size), and the first row with the largest."""
    for i in range(size):
        top[i], second[i], label[i] = z[0, i], -math.inf, 0
    for c in range(1, len(z)):
        for i in range(size):
            value = z[c, i]
            larger = value > top[i]
            lower = top[i] if larger else value
            second[i] = lower if lower > second[i] else second[i]
            label[i] = c if larger else label[i]
            top[i] = value if larger else top[i]


@vectorised
def _exponentiate(
    z: Values, c: int, tops: tuple[Values, Values], label: Order, total: Values, weighted: Values
) -> None:
    """Set logits of class c to e^(z - second), or to 0 where it is the largest; add that up, and its products with z - top."""
    top, second = tops
    for i in range(len(total)):
        e = 0.0 if label[i] == c else exp(z[i] - second[i])
        total[i] += e
        weighted[i] += e * (z[i] - top[i])
        z[i] = e


@vectorised
def _add_rests(e: Values, c: int, share: Values, labels: Order, rest: Values, modified: Values) -> None:
    """Add p ln(1 - p) of class c, where p is e times its share, and is of no example's label; set ln(1 - p) where it is."""
    for i in range(len(labels)):
        p = min(e[i] * share[i], 0.5)
        other = log_rest(p)
        rest[i] = other if labels[i] == c else rest[i]
        modified[i] += 0.0 if labels[i] == c else p * other


@vectorised
def _finish(
    right: tuple[Order, Order],
    total: Values,
    logs: tuple[Values, Values],
    shares: tuple[Values, Values],
    rest: Values,
    out: tuple[Values, Values, Values],
) -> None:
    """Set confidence and entropy, and add what is left to the modified one.

    Args:
        right: labels, and the classes with the largest posterior.
        total: sum of exponentials of all classes but that one.
        logs: log odds of them, and ln(1 + odds).
        shares: the largest posterior, and others over their exponentials.
        rest: ln(1 - p) of the true class where it is not the largest.
        out: what is set; there are the true class's logit less the largest one, and sums over all classes but the largest.
    """
    labels, label = right
    odds, log_total = logs
    largest, share = shares
    confidence, entropy, modified = out
    for i in range(len(labels)):
        same = labels[i] == label[i]
        own, of_largest = confidence[i] - log_total[i], odds[i] - log_total[i]
        others = total[i] * share[i] if same else exp(rest[i])
        confidence[i] = own - (of_largest if same else rest[i])
        entropy[i] = entropy[i] * share[i] - log_total[i]
        modified[i] += others * own + (0.0 if same else largest[i] * of_largest)


@vectorised
def set_features(
    logits: NDArray[np.floating],
    models: Order,
    examples: Order,
    labels: Order,
    space: tuple[Values, Values, Order],
    out: tuple[Values, Values, Values],
) -> None:
    """Set the features, shape (b, n) each, of some models and examples of logits of shape (N, n_split, C).

    Args:
        logits: of all models on a split.
        models: shape (b,).
        examples: shape (n,).
        labels: of these examples, shape (n,).
        space: to work in, shape (C, TILE), (ROWS, TILE) and (TILE,).
        out: what is set.
    """
    z, rows, label = space
    tops, total, odds, logs, rest = (rows[0], rows[1]), rows[2], rows[3], rows[4], rows[5]
    shares, n_classes = (rows[6], rows[7]), len(z)
    for s in range(len(models)):
        for start in range(0, len(examples), TILE):
            own = labels[start : start + TILE]
            size = len(own)
            confidence, entropy = out[0][s, start : start + size], out[1][s, start : start + size]
            modified, totals = out[2][s, start : start + size], total[:size]
            _turn(logits[models[s]], examples[start : start + TILE], z)
            _set_tops(z, size, tops[0], tops[1], label)
            for i in range(size):
                confidence[i] = z[own[i], i] - tops[0][i]
                totals[i] = entropy[i] = modified[i] = 0.0
            for c in range(n_classes):
                _exponentiate(z[c], c, tops, label, totals, entropy)
            for i in range(size):
                # Log odds of all classes but the largest, ln(1 + odds), its posterior, others' over their exponentials.
                gap = tops[1][i] - tops[0][i]
                ratio = exp(gap)
                odds[i] = gap + math.log(total[i])
                logs[i] = math.log1p(total[i] * ratio)
                shares[0][i] = 1.0 / (1.0 + total[i] * ratio)
                shares[1][i] = ratio * shares[0][i]
            for c in range(n_classes):
                _add_rests(z[c], c, shares[1], own, rest, modified)
            _finish((own, label), total, (odds, logs), shares, rest, (confidence, entropy, modified))
