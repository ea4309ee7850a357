"""Compiled twin of the features of :mod:`harness_evaluators._threshold_mia`, equal to rounding."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import exp, log_rest, vectorised

Values = NDArray[np.float64]
Order = NDArray[np.int64]

_TILE = 256
"""Examples that are turned at once."""


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
def set_features(logits: NDArray[np.floating], models: Order, examples: Order, labels: Order, out: Values) -> None:
    """Set the features, shape (3, b, n), of some models and examples of logits of shape (N, n_split, C)."""
    n_classes, n = logits.shape[2], len(examples)
    z, top, second = np.empty((n_classes, _TILE)), np.empty(_TILE), np.empty(_TILE)
    label, odds, total = np.empty(_TILE, np.int64), np.empty(_TILE), np.empty(_TILE)
    negative, modified = np.empty(_TILE), np.empty(_TILE)
    for s in range(len(models)):
        for start in range(0, n, _TILE):
            size = min(_TILE, n - start)
            for i in range(size):
                for c in range(n_classes):
                    z[c, i] = logits[models[s], examples[start + i], c]
            _set_tops(z, size, top, second, label)
            odds[:] = 0
            for c in range(n_classes):
                for i in range(size):
                    odds[i] += 0.0 if c == label[i] else exp(z[c, i] - second[i])
            for i in range(size):
                odds[i] = second[i] - top[i] + math.log(odds[i])
                total[i] = math.log1p(math.exp(odds[i]))
            negative[:] = 0
            modified[:] = 0
            for c in range(n_classes):
                for i in range(size):
                    own = z[c, i] - top[i] - total[i]
                    p = exp(own)
                    negative[i] += p * own
                    rest = odds[i] - total[i] if c == label[i] else log_rest(min(p, 0.5))
                    modified[i] += 0.0 if c == labels[start + i] else p * rest
            for i in range(size):
                y = labels[start + i]
                own = z[y, i] - top[i] - total[i]
                rest = odds[i] - total[i] if y == label[i] else math.log1p(-min(math.exp(own), 0.5))
                out[0, s, start + i] = own - rest
                out[1, s, start + i] = negative[i]
                out[2, s, start + i] = math.exp(rest) * own + modified[i]
