"""Softmax posteriors, their entropies, and distances between the posteriors of two models.

Numbers are in single precision, as logits are; they are averaged over thousands of examples.
Sources: Lin, "Divergence measures based on the Shannon entropy" (1991); Chundawat et al., "Can bad teaching induce
forgetting?" (2023) for the zero retrain forgetting score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import evidence_analysis, model_pairs, parallel
from harness_evaluators.common.bootstrap import Linear

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]
_BLOCK = 50_000
"""Most posteriors processed at once, so that they stay in the processor's cache."""

_TINY = np.float32(np.finfo(np.float32).tiny)
_LN2 = math.log(2)


def softmax(logits: NDArray[np.floating]) -> Singles:
    """Return posteriors, shape (..., C), of logits of the same shape; the largest logit is subtracted first."""
    z = np.asarray(logits, dtype=np.float32)
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    return np.asarray(p, dtype=np.float32)


@dataclass(frozen=True)
class Side:
    """Posteriors of one population, prepared for pairs; classes come before examples, so that sums run along whole rows.

    Attributes:
        halves: half of the posteriors, shape (N, C, n); a floor keeps them above 0 without changing any result.
        entropies: shape (N, n), nats.
    """

    halves: Singles
    entropies: Singles


def side(p: Singles) -> Side:
    """Return the side of posteriors of shape (N, n, C)."""
    found = _empty(p.shape)

    def work(rows: slice) -> None:
        found.halves[rows] = p[rows].transpose(0, 2, 1)
        _finish(found, rows, np.float32(2))

    parallel.in_threads(work, _blocks(len(p), p))
    return found


def side_of(logits: NDArray[np.floating], models: Order) -> Side:
    """Return the side of some models in the given order, from logits of shape (N, n, C)."""
    found = _empty((len(models), *logits.shape[1:]))
    blocks = parallel.slices(len(models), _BLOCK // max(1, logits[0].size))

    def work(rows: slice) -> None:
        p = found.halves[rows]
        p[:] = logits[models[rows]].transpose(0, 2, 1)
        p -= p.max(axis=1, keepdims=True)
        np.exp(p, out=p)
        _finish(found, rows, 2 * p.sum(axis=1, keepdims=True))

    parallel.in_threads(work, blocks)
    return found


def _empty(shape: tuple[int, ...]) -> Side:
    n_models, n, n_classes = shape
    return Side(parallel.unfilled((n_models, n_classes, n), np.float32), parallel.unfilled((n_models, n), np.float32))


def _finish(found: Side, rows: slice, divisor: np.floating | Singles) -> None:
    """Divide some models' halves, so that they are half of posteriors, and set the entropies."""
    halves = found.halves[rows]
    halves /= divisor
    np.maximum(halves, _TINY, out=halves)
    _set_entropies(2 * halves, found.entropies[rows])


def entropies(p: Singles) -> Singles:
    """Return the Shannon entropy in nats along the last axis; 0 log 0 = 0."""
    classes_first = np.moveaxis(np.asarray(p, dtype=np.float32), -1, 0).reshape(1, p.shape[-1], -1)
    found = parallel.unfilled((1, classes_first.shape[2]), np.float32)
    _set_entropies(np.maximum(classes_first, _TINY), found)
    return found.reshape(p.shape[:-1])


def _set_entropies(p: Singles, out: Singles) -> None:
    """Set ``out``, shape (N, n), to the entropies in nats of posteriors above 0, shape (N, C, n)."""
    logs = np.log(p)
    logs *= p
    logs.sum(axis=1, out=out)
    np.negative(out, out=out)


def jensen_shannon(p: Singles, q: Singles) -> Values:
    """Return the Jensen-Shannon divergence in bits, H((p + q) / 2) - (H(p) + H(q)) / 2, along the last axis; in [0, 1]."""
    middle = np.asarray((p + q) / 2, dtype=np.float32)
    return _in_bits(entropies(middle), entropies(p), entropies(q))


def _in_bits(middle: Singles, one: Singles, other: Singles) -> Values:
    nats = middle.astype(np.float64) - (one.astype(np.float64) + other) / 2
    return np.asarray(np.clip(nats / _LN2, 0.0, 1.0))


def zero_retrain_forgetting(p: Singles | Side, reference: Singles) -> Values:
    """Return 1 - mean over examples of the Jensen-Shannon divergence in bits from ``reference`` (C,); (N, n, C) to (N,).

    The divergence sums over classes. Public code takes the mean over classes, which brings every model close to 1.
    """
    known = p if isinstance(p, Side) else side(p)
    half, own = np.maximum(reference / 2, _TINY)[:, None], entropies(reference)

    def work(rows: slice) -> Values:
        return np.asarray(1 - _from_middle(known.halves[rows] + half, known.entropies[rows], own))

    return np.concatenate(parallel.in_threads(work, _blocks(len(known.halves), known.halves)))


def mean_jensen_shannon(left: Singles | Side, right: Singles | Side) -> Linear:
    """Return the Jensen-Shannon divergence in bits, mean over pairs and examples of (m, n, C) and (N, n, C)."""
    one, other = _sides(left, right)
    return model_pairs.over_pairs(one, other, _divergence(one, other))


def jensen_shannon_within(p: Singles | Side) -> Linear:
    """Return the Jensen-Shannon divergence in bits, mean over pairs of different models of (N, n, C); contributions in
    ``left``.
    """
    one, other = _sides(p, p)
    return model_pairs.within(one, _divergence(one, other))


def excess(across: Linear, left: Linear, right: Linear) -> Linear:
    """Return the excess of divergences across populations over those within: 2 E d(L, R) - E d(L, L') - E d(R, R').

    The Jensen-Shannon divergence is the square of a Hilbert metric. So the expectation is twice the squared distance between
    the two populations' mean embeddings: never negative, and 0 for equal populations, whatever their spread. The estimate is
    unbiased, and may therefore be negative. Sources: Fuglede and Topsoe, "Jensen-Shannon divergence and Hilbert space
    embedding" (2004); Szekely and Rizzo, "Energy statistics" (2013).
    """
    value = 2 * across.value - left.value - right.value
    if across.left is None or across.right is None or left.left is None or right.left is None:
        return Linear(value)
    return Linear(value, 2 * across.left - left.left, 2 * across.right - right.left)


def _sides(left: Singles | Side, right: Singles | Side) -> tuple[Side, Side]:
    one = left if isinstance(left, Side) else side(left)
    return one, right if isinstance(right, Side) else side(right)


def _divergence(left: Side, right: Side) -> model_pairs.Distance:
    """Return the mean divergence over examples of models i of ``left`` and models j of ``right``."""

    def distance(i: Order, j: Order) -> Values:
        return _from_middle(left.halves[i] + right.halves[j], left.entropies[i], right.entropies[j])

    return distance


def _from_middle(middle: Singles, one: Singles, other: Singles) -> Values:
    """Return the mean divergence in bits, shape (N,), from the mean posteriors (N, C, n) and the entropies (N, n)."""
    found = parallel.unfilled((len(middle), middle.shape[2]), np.float32)
    _set_entropies(middle, found)
    return np.asarray(_in_bits(found, one, other).mean(axis=1))


def mean_activation_distance(left: Singles | Side, right: Singles | Side) -> Linear:
    """Return the Euclidean distance between posteriors, mean over pairs and examples; at most sqrt(2)."""
    one, other = _sides(left, right)

    def distance(i: Order, j: Order) -> Values:
        change = one.halves[i] - other.halves[j]
        change *= change
        squares = change.sum(axis=1)
        return np.asarray(2 * np.sqrt(squares, out=squares).mean(axis=1, dtype=np.float64))

    return model_pairs.over_pairs(one, other, distance)


def mean_completeness(left: Singles | Side, right: Singles | Side) -> Linear:
    """Return the share of equal predictions, mean over pairs and examples; the first class wins ties."""
    sides = _sides(left, right)
    one, other = (evidence_analysis.largest(known.halves.transpose(0, 2, 1)) for known in sides)
    return model_pairs.over_pairs(*sides, lambda i, j: np.asarray((one[i] == other[j]).mean(axis=1)))


def _blocks(length: int, p: Singles) -> list[slice]:
    """Return slices of models or of pairs that hold about _BLOCK posteriors each."""
    return parallel.slices(length, _BLOCK // max(1, p[0].size))
