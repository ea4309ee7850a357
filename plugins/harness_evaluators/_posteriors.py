"""Softmax posteriors, their entropies, and distances between those of two models.

Numbers are in single precision: they are averaged over thousands of examples, and logits come in it.
Sources: Lin, "Divergence measures based on the Shannon entropy" (1991); Chundawat et al., "Can bad teaching induce
forgetting?" (2023) for the zero retrain forgetting score.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness_evaluators import _shared
from harness_evaluators._bootstrap import Linear

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]
Distance = Callable[[Order, Order], Values]
"""Maps row numbers of two populations, shape (b,) each, to the distances of these pairs."""

PAIRS = 64
"""About how many pairs of models are compared at least, where there are as many."""

LEAST_PARTNERS = 4
"""Fewest retrained models that every model is compared with, where there are as many."""

_BLOCK = 100_000
"""Most posteriors at once; so many stay near the processor."""

_TINY = np.float32(np.finfo(np.float32).tiny)
_LN2 = math.log(2)


def softmax(logits: NDArray[np.floating]) -> Singles:
    """Posteriors, shape (..., C), of logits of the same shape; the largest logit is taken off first."""
    z = np.asarray(logits, dtype=np.float32)
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    return np.asarray(p, dtype=np.float32)


def softmax_of(logits: NDArray[np.floating], models: Order) -> Singles:
    """Posteriors of some models, in the order that is given; logits of shape (N, n, C)."""
    found = np.empty((len(models), *logits.shape[1:]), dtype=np.float32)

    def work(rows: slice) -> None:
        found[rows] = softmax(logits[models[rows]])

    _shared.in_threads(work, _shared.slices(len(models), _BLOCK // max(1, logits[0].size)))
    return found


def entropies(p: Singles) -> Singles:
    """Shannon entropy in nats along the last axis; 0 log 0 = 0."""
    return np.asarray(-np.einsum("...c,...c->...", p, np.log(np.maximum(p, _TINY))), dtype=np.float32)


def jensen_shannon(p: Singles, q: Singles) -> Values:
    """Jensen-Shannon divergence in bits, H((p + q) / 2) - (H(p) + H(q)) / 2, along the last axis; in [0, 1]."""
    middle = np.asarray((p + q) / 2, dtype=np.float32)
    return _in_bits(entropies(middle), entropies(p), entropies(q))


def _in_bits(middle: Singles, one: Singles, other: Singles) -> Values:
    nats = middle.astype(np.float64) - (one.astype(np.float64) + other) / 2
    return np.asarray(np.clip(nats / _LN2, 0.0, 1.0))


def zero_retrain_forgetting(p: Singles, reference: Singles) -> Values:
    """1 - mean over examples of the Jensen-Shannon divergence in bits from ``reference``; (N, n, C) to (N,).

    Both sum and mean run over whole posteriors: a mean over classes as well, which public code takes, would bring every
    model close to 1.
    """
    return np.asarray(1 - jensen_shannon(p, reference).mean(axis=-1))


def partners(n_left: int, n_right: int) -> list[Order]:
    """With which retrained model each model is compared: lists of row numbers, shape (n_left,) each; no pair twice."""
    count = min(n_right, max(LEAST_PARTNERS, -(-PAIRS // n_left)))
    return [(np.arange(n_left) + k * n_right // count) % n_right for k in range(count)]


def mean_jensen_shannon(left: Singles, right: Singles) -> Linear:
    """Jensen-Shannon divergence in bits, mean over pairs and examples of (m, n, C) and (N, n, C)."""
    return _over_pairs(left, right, _divergence(left, right))


def jensen_shannon_within(p: Singles) -> Linear:
    """Jensen-Shannon divergence in bits, mean over pairs of different models of (N, n, C); contributions in ``left``."""
    return _within(p, _divergence(p, p))


def excess(across: Linear, left: Linear, right: Linear) -> Linear:
    """By how much divergences across populations exceed those within: 2 E d(L, R) - E d(L, L') - E d(R, R').

    The Jensen-Shannon divergence is the square of a Hilbert metric, so that the expectation is twice the squared
    distance between the two populations' mean embeddings: never negative, and 0 for populations that are alike,
    whatever their spread. The estimate is unbiased, and may therefore be negative. Sources: Fuglede and Topsoe,
    "Jensen-Shannon divergence and Hilbert space embedding" (2004); Szekely and Rizzo, "Energy statistics" (2013).
    """
    value = 2 * across.value - left.value - right.value
    if across.left is None or across.right is None or left.left is None or right.left is None:
        return Linear(value)
    return Linear(value, 2 * across.left - left.left, 2 * across.right - right.left)


def _divergence(left: Singles, right: Singles) -> Distance:
    """Mean divergence over examples of models i of ``left`` and models j of ``right``."""
    one, other = _entropies(left), _entropies(right)

    def distance(i: Order, j: Order) -> Values:
        middle = left[i]
        middle += right[j]
        middle *= np.float32(0.5)
        return np.asarray(_in_bits(entropies(middle), one[i], other[j]).mean(axis=1))

    return distance


def _entropies(p: Singles) -> Singles:
    """:func:`entropies` of posteriors of shape (N, n, C), a few models at a time."""
    return np.concatenate(_shared.in_threads(lambda rows: entropies(p[rows]), _blocks(len(p), p)))


def mean_activation_distance(left: Singles, right: Singles) -> Linear:
    """Euclidean distance between posteriors, mean over pairs and examples; at most sqrt(2)."""

    def distance(i: Order, j: Order) -> Values:
        change = left[i]
        change -= right[j]
        return np.asarray(np.sqrt(np.einsum("bnc,bnc->bn", change, change)).mean(axis=1, dtype=np.float64))

    return _over_pairs(left, right, distance)


def mean_completeness(left: Singles, right: Singles) -> Linear:
    """Share of equal answers, mean over pairs and examples; of equal posteriors the first class is the answer."""
    one, other = left.argmax(axis=2), right.argmax(axis=2)
    return _over_pairs(left, right, lambda i, j: np.asarray((one[i] == other[j]).mean(axis=1)))


def _of_pairs(left: Order, right: Order, p: Singles, distance: Distance) -> Values:
    """``distance`` of every pair, in their order; ``p`` tells how much a model takes."""
    return np.concatenate(_shared.in_threads(lambda part: distance(left[part], right[part]), _blocks(len(left), p)))


def _blocks(length: int, p: Singles) -> list[slice]:
    """Slices of models or of pairs that hold about _BLOCK posteriors each."""
    return _shared.slices(length, _BLOCK // max(1, p[0].size))


def _over_pairs(left: Singles, right: Singles, distance: Distance) -> Linear:
    """The mean of ``distance`` over pairs; a model contributes by how far its own pairs are from that mean."""
    n_left, n_right = len(left), len(right)
    lists = partners(n_left, n_right)
    rights = np.concatenate(lists)
    found = _of_pairs(np.tile(np.arange(n_left), len(lists)), rights, left, distance).reshape(len(lists), n_left)
    value = float(found.mean())
    excess = (found - value).ravel() / found.size
    by_right = np.bincount(rights, weights=excess, minlength=n_right)
    by_left = excess.reshape(found.shape).sum(axis=0)
    return Linear(value, n_left * by_left, np.asarray(n_right * by_right, dtype=np.float64))


def _within(p: Singles, distance: Distance) -> Linear:
    """The mean of ``distance`` over pairs of different models of one population, and the models' contributions.

    Model i meets i + 1, i + 2, ... around the circle, no further than half of it: no pair twice, except that opposite
    models of an even circle meet from both sides.
    """
    n_models = len(p)
    count = min(n_models // 2, max(LEAST_PARTNERS, -(-PAIRS // n_models)))
    shifts = [1 + k * (n_models // 2) // count for k in range(count)]
    pairs = np.array([(i, (i + shift) % n_models) for shift in shifts for i in range(n_models)])
    found = _of_pairs(pairs[:, 0], pairs[:, 1], p, distance)
    share = (found - found.mean()) / found.size
    contributions = n_models * np.bincount(pairs.ravel(), np.repeat(share, 2), n_models)
    return Linear(float(found.mean()), np.asarray(contributions, dtype=np.float64))
