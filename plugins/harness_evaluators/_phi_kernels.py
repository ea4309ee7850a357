"""Compiled twin of what :mod:`harness_evaluators._populations` makes of logits, equal to rounding."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import exp, vectorised

Values = NDArray[np.float64]
Singles = NDArray[np.float32]

_TILE = 256
"""Examples that are turned at once."""


@vectorised
def set_phi(logits: Singles, labels: NDArray[np.int64], out: Values) -> None:
    """Set phi, shape (N, n), of logits of shape (N, n, C)."""
    n_models, n, n_classes = logits.shape
    z, top, total = np.empty((n_classes, _TILE)), np.empty(_TILE), np.empty(_TILE)
    for s in range(n_models):
        for start in range(0, n, _TILE):
            size = min(_TILE, n - start)
            for i in range(size):
                for c in range(n_classes):
                    z[c, i] = logits[s, start + i, c]
                out[s, start + i] = z[labels[start + i], i]
                z[labels[start + i], i] = -math.inf
            top[:] = -math.inf
            for c in range(n_classes):
                for i in range(size):
                    top[i] = max(top[i], z[c, i])
            total[:] = 0
            for c in range(n_classes):
                for i in range(size):
                    total[i] += exp(z[c, i] - top[i])
            for i in range(size):
                out[s, start + i] -= top[i] + math.log(total[i])


@vectorised
def set_largest(logits: Singles, out: NDArray[np.unsignedinteger]) -> None:
    """Set the class of the largest logit, the first of equal ones, shape (N, n)."""
    n_models, n, n_classes = logits.shape
    for s in range(n_models):
        for i in range(n):
            best, label = logits[s, i, 0], 0
            for c in range(1, n_classes):
                larger = logits[s, i, c] > best
                best = logits[s, i, c] if larger else best
                label = c if larger else label
            out[s, i] = label
