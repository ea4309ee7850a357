"""Which pairs of models are compared, and the mean over them with each model's contribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import parallel
from harness_evaluators.common.bootstrap import Linear

if TYPE_CHECKING:
    from harness_evaluators.common.posterior_distances import Side

Values = NDArray[np.float64]
Order = NDArray[np.int64]
Distance = Callable[[Order, Order], Values]
"""Maps row numbers of two populations, shape (b,) each, to the distances of these pairs."""

PAIRS = 64
"""About how many pairs of models are compared at least, where there are as many."""

LEAST_PARTNERS = 4
"""Fewest retrained models that every model is compared with, where there are as many."""

_BLOCK = 50_000
"""Most posteriors compared at once."""


def partners(n_left: int, n_right: int) -> list[Order]:
    """With which retrained model each model is compared: lists of row numbers, shape (n_left,) each; no pair twice."""
    count = min(n_right, max(LEAST_PARTNERS, -(-PAIRS // n_left)))
    return [(np.arange(n_left) + k * n_right // count) % n_right for k in range(count)]


def _of_pairs(left: Order, right: Order, p: Side, distance: Distance) -> Values:
    """``distance`` of every pair, in their order; ``p`` tells how much a model takes."""
    return np.concatenate(
        parallel.in_threads(
            lambda part: distance(left[part], right[part]),
            parallel.slices(len(left), _BLOCK // max(1, p.halves[0].size)),
        )
    )


def over_pairs(left: Side, right: Side, distance: Distance) -> Linear:
    """The mean of ``distance`` over pairs; a model contributes by how far its own pairs are from that mean."""
    n_left, n_right = len(left.halves), len(right.halves)
    lists = partners(n_left, n_right)
    rights = np.concatenate(lists)
    found = _of_pairs(np.tile(np.arange(n_left), len(lists)), rights, left, distance).reshape(len(lists), n_left)
    value = float(found.mean())
    excess = (found - value).ravel() / found.size
    by_right = np.bincount(rights, weights=excess, minlength=n_right)
    by_left = excess.reshape(found.shape).sum(axis=0)
    return Linear(value, n_left * by_left, np.asarray(n_right * by_right, dtype=np.float64))


def within(p: Side, distance: Distance) -> Linear:
    """The mean of ``distance`` over pairs of different models of one population, and the models' contributions.

    Model i meets i + 1, i + 2, ... around the circle, no further than half of it: no pair twice, except that opposite
    models of an even circle meet from both sides.
    """
    n_models = len(p.halves)
    count = min(n_models // 2, max(LEAST_PARTNERS, -(-PAIRS // n_models)))
    shifts = [1 + k * (n_models // 2) // count for k in range(count)]
    pairs = np.array([(i, (i + shift) % n_models) for shift in shifts for i in range(n_models)])
    found = _of_pairs(pairs[:, 0], pairs[:, 1], p, distance)
    share = (found - found.mean()) / found.size
    contributions = n_models * np.bincount(pairs.ravel(), np.repeat(share, 2), n_models)
    return Linear(float(found.mean()), np.asarray(contributions, dtype=np.float64))
