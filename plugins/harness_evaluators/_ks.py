"""Two-sample Kolmogorov-Smirnov distances and Wasserstein-1 distances of many examples at once.

Arrays hold one column per example. Sources: Hodges, "The significance probability of the Smirnov two-sample test"
(1958) for the exact distribution; Vallender, "Calculation of the Wasserstein distance between probability distributions
on the line" (1974).
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._bootstrap import Linear

Values = NDArray[np.float64]
Counts = NDArray[np.int64]

MAX_LEVELS = 256
"""Most distances whose exact probability is computed; beyond, they are rounded down to as many, so that p is safe."""


def distances(left: Values, right: Values) -> tuple[Values, Values]:
    """D = sup |F_left - F_right| for every column of (m, n) and (N, n), and a point where it is reached, with D's sign.

    Returns:
        D with the sign of F_left - F_right there, shape (n,), and the points, shape (n,); |D| is the distance.
    """
    m, n = len(left), len(right)
    ordered, is_left = _merge(left, right)
    gaps = np.cumsum(np.where(is_left, n, -m), axis=1)
    # Within a tie both distribution functions jump at once: only its last position counts.
    gaps[:, :-1][ordered[:, 1:] == ordered[:, :-1]] = 0
    at = np.abs(gaps).argmax(axis=1)[:, None]
    signed = np.take_along_axis(gaps, at, axis=1)[:, 0] / (m * n)
    return signed, np.take_along_axis(ordered, at, axis=1)[:, 0]


def mean_distance(left: Values, right: Values) -> Linear:
    """Mean D over examples; a model contributes by what it adds to the gap at the point where D is reached."""
    signed, points = distances(left, right)
    sign, n_examples = np.sign(signed), signed.size
    contributions = [(values <= points) @ sign / n_examples for values in (left, right)]
    return Linear(float(np.abs(signed).mean()), contributions[0], -contributions[1])


def mean_wasserstein(left: Values, right: Values, scale: Values) -> Linear:
    """Mean over examples of the Wasserstein-1 distance, int |F_left - F_right|, in units of ``scale``, shape (n,)."""
    both = np.concatenate([left, right]).T / scale[:, None]
    order = np.argsort(both, axis=1, kind="stable")
    ordered = np.take_along_axis(both, order, axis=1)
    gaps = np.cumsum(np.where(order < len(left), 1 / len(left), -1 / len(right)), axis=1)[:, :-1]
    # With equal sizes the functions touch, and rounding must not pass for a sign.
    gaps[np.abs(gaps) < 1e-12] = 0
    steps = np.diff(ordered, axis=1)
    after = np.cumsum((np.sign(gaps) * steps)[:, ::-1], axis=1)[:, ::-1]
    tails = np.zeros_like(both)
    np.put_along_axis(tails, order[:, :-1], after, axis=1)
    contributions = tails.mean(axis=0)
    value = float((np.abs(gaps) * steps).sum(axis=1).mean())
    return Linear(value, contributions[: len(left)], -contributions[len(left) :])


def p_values(distance: Values, m: int, n: int) -> Values:
    """Exact P(D >= distance) for samples of m and n from one continuous distribution, shape as ``distance``.

    With more than MAX_LEVELS different distances they are rounded down to as many: p is then slightly too large. Ties
    within the samples also make p too large, never too small.
    """
    counts = np.rint(distance * (m * n)).astype(np.int64)
    levels = np.unique(counts)
    if len(levels) > MAX_LEVELS:
        levels = levels[np.linspace(0, len(levels) - 1, MAX_LEVELS).astype(np.int64)]
    return tail_probabilities(levels, m, n)[np.searchsorted(levels, counts, side="right") - 1]


@functools.lru_cache
def null_mean(m: int, n: int) -> float:
    """E[D] for samples of m and n from one continuous distribution.

    The sum over D's possible values k of P(D >= k) times their spacing; with more than MAX_LEVELS values an even grid
    of midpoints, in error by less than 1 / MAX_LEVELS.
    """
    unit = math.gcd(m, n)
    total = m * n // unit
    if total <= MAX_LEVELS:
        return float(tail_probabilities(unit * np.arange(1, total + 1), m, n).sum() / total)
    grid = np.ceil((np.arange(MAX_LEVELS) + 0.5) / MAX_LEVELS * m * n).astype(np.int64)
    return float(tail_probabilities(grid, m, n).mean())


def tail_probabilities(levels: Counts, m: int, n: int) -> Values:
    """Exact P(m n D >= level) for each level, shape (n_levels,).

    A merged sample is a lattice path from (0, 0) to (m, n), all equally likely; D m n is its largest |i n - j m|. Going
    through the diagonals i + j = t, the probability that a path to (i, j) has reached the level is 1 where the point
    itself does, else that of its predecessors weighted by i / t and j / t. Nothing is subtracted, so small
    probabilities keep their precision.
    """
    levels = np.asarray(levels, dtype=np.int64)[:, None]
    i = np.arange(m + 1)
    reached = np.zeros((len(levels), m + 1))
    reached[:, 0] = (levels[:, 0] <= 0).astype(np.float64)
    for t in range(1, m + n + 1):
        j = t - i
        from_left = np.concatenate([np.zeros((len(levels), 1)), reached[:, :-1]], axis=1)
        reached = (from_left * i + reached * j) / t
        outside = np.abs(i * n - j * m) >= levels
        valid = (j >= 0) & (j <= n)
        reached = np.where(valid, np.where(outside, 1.0, reached), 0.0)
    return np.asarray(reached[:, m])


def _merge(left: Values, right: Values) -> tuple[Values, NDArray[np.bool_]]:
    """Both samples of every column sorted together, shape (n, m + N), and which values are of the left one.

    The origin travels in the last bit of each number: one sort in place of an indirect one. Values that differ in that
    bit alone count as tied.
    """
    both = np.concatenate([left, right]).T.astype(np.float64, order="C")
    bits = both.view(np.int64)
    bits &= -2
    bits[:, : len(left)] |= 1
    both.sort(axis=1)
    is_left = (bits & 1).astype(np.bool_)
    bits &= -2
    return both, is_left
