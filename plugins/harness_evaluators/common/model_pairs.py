"""Choice of model pairs, and means over pairs with each model's contribution."""

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
"""Target number of model pairs, if there are as many."""

LEAST_PARTNERS = 4
"""Fewest retrained models that each model is compared with, if there are as many."""

_BLOCK = 50_000
"""Most posteriors compared at once."""


def partners(n_left: int, n_right: int) -> list[Order]:
    """Return lists of row numbers, shape (n_left,): the retrained model to compare with each model; no pair occurs twice."""
    count = min(n_right, max(LEAST_PARTNERS, -(-PAIRS // n_left)))
    return [(np.arange(n_left) + k * n_right // count) % n_right for k in range(count)]


def _of_pairs(left: Order, right: Order, p: Side, distance: Distance) -> Values:
    """Return ``distance`` of every pair, in order; the size of ``p`` determines the block size."""
    return np.concatenate(
        parallel.in_threads(
            lambda part: distance(left[part], right[part]),
            parallel.slices(len(left), _BLOCK // max(1, p.halves[0].size)),
        )
    )


def over_pairs(left: Side, right: Side, distance: Distance) -> Linear:
    """Return the mean of ``distance`` over pairs; a model's contribution is its own pairs' deviation from that mean."""
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
    """Return the mean of ``distance`` over pairs of different models of one population, with the models' contributions.

    The models form a circle. Model i is paired with i + 1, i + 2, ... up to half of the circle, so that no pair occurs twice,
    except that opposite models of an even circle meet from both sides.
    """
    n_models = len(p.halves)
    count = min(n_models // 2, max(LEAST_PARTNERS, -(-PAIRS // n_models)))
    shifts = [1 + k * (n_models // 2) // count for k in range(count)]
    pairs = np.array([(i, (i + shift) % n_models) for shift in shifts for i in range(n_models)])
    found = _of_pairs(pairs[:, 0], pairs[:, 1], p, distance)
    share = (found - found.mean()) / found.size
    contributions = n_models * np.bincount(pairs.ravel(), np.repeat(share, 2), n_models)
    return Linear(float(found.mean()), np.asarray(contributions, dtype=np.float64))
