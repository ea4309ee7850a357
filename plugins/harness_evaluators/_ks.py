"""Two-sample Kolmogorov-Smirnov distances and Wasserstein-1 distances of many examples at once.

Arrays hold one column per example. Sources: Hodges, "The significance probability of the Smirnov two-sample test"
(1958) for the exact distribution; Vallender, "Calculation of the Wasserstein distance between probability distributions
on the line" (1974).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_evaluators import _shared
from harness_evaluators._bootstrap import Linear

Values = NDArray[np.float64]
Numbers = NDArray[np.floating]
Counts = NDArray[np.int64]

MAX_LEVELS = 256
"""Most distances whose exact probability is computed; beyond, they are rounded down to as many, so that p is safe."""

_LEVELS = 32
"""How many probabilities are computed at once."""

_BLOCK = 50_000
"""Most numbers compared at once."""


@dataclass(frozen=True)
class Compared:
    """Two samples of every column.

    Attributes:
        signed: D = sup |F_left - F_right| with the sign of F_left - F_right where it is reached, shape (n,).
        mean: of D over columns; a model contributes by what it adds to the gap at the point where D is reached.
    """

    signed: Values
    mean: Linear


def distances(left: Numbers, right: Numbers) -> tuple[Values, Values]:
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


def compared(left: Numbers, right: Numbers) -> Compared:
    """Distances of every column of (m, n) and (N, n), and their mean."""
    columns = left.shape[1]
    signed = np.empty(columns)

    def work(chosen: slice) -> tuple[Values, Values]:
        sides = [np.asarray(side[:, chosen], dtype=np.float64) for side in (left, right)]
        signed[chosen], points = distances(sides[0], sides[1])
        sign = np.sign(signed[chosen])
        return np.asarray((sides[0] <= points) @ sign), np.asarray((sides[1] <= points) @ sign)

    parts = _in_blocks(work, len(left) + len(right), columns)
    lefts, rights = (sum(part[i] for part in parts) / columns for i in (0, 1))
    return Compared(signed, Linear(float(np.abs(signed).mean()), lefts, -rights))


def mean_distance(left: Numbers, right: Numbers) -> Linear:
    """Mean D over examples, see :class:`Compared`."""
    return compared(left, right).mean


def mean_wasserstein(left: Values, right: Values, scale: Values) -> Linear:
    """Mean over examples of the Wasserstein-1 distance, int |F_left - F_right|, in units of ``scale``, shape (n,)."""
    columns = left.shape[1]

    def work(chosen: slice) -> tuple[Values, Values]:
        return _wasserstein(left[:, chosen], right[:, chosen], scale[chosen])

    parts = _in_blocks(work, len(left) + len(right), columns)
    distance = np.concatenate([part[0] for part in parts])
    contributions = np.asarray(sum(part[1] for part in parts)) / columns
    return Linear(float(distance.mean()), contributions[: len(left)], -contributions[len(left) :])


def _wasserstein(left: Values, right: Values, scale: Values) -> tuple[Values, Values]:
    """The distance of every column, shape (n,), and the sum of both sides' contributions, shape (m + N,)."""
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
    return (np.abs(gaps) * steps).sum(axis=1), tails.sum(axis=0)


def _in_blocks(work: Callable[[slice], tuple[Values, Values]], rows: int, columns: int) -> list[tuple[Values, Values]]:
    """``work`` on blocks of columns that stay near the processor."""
    return _shared.in_threads(work, _shared.slices(columns, _BLOCK // rows))


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
    middles = (np.arange(MAX_LEVELS) + 0.5) / MAX_LEVELS
    # P(D >= d) <= 2 e exp(-2 d^2 m n / (m + n)): beyond 1e-18 nothing is left to add (Wei and Dudley, 2012).
    middles = middles[2 * middles**2 * m * n / (m + n) < 18 * math.log(10) + 2]
    grid = np.ceil(middles * m * n).astype(np.int64)
    return float(tail_probabilities(grid, m, n).sum() / MAX_LEVELS)


def tail_probabilities(levels: Counts, m: int, n: int) -> Values:
    """Exact P(m n D >= level) for each level, shape (n_levels,).

    A merged sample is a lattice path from (0, 0) to (m, n), all equally likely; D m n is its largest |i n - j m|. Going
    through the diagonals i + j = t, the probability that a path to (i, j) has reached the level is 1 where the point
    itself does, else that of its predecessors weighted by i / t and j / t. Nothing is subtracted, so small
    probabilities keep their precision.
    """
    levels = np.asarray(levels, dtype=np.int64)
    order = np.argsort(levels, kind="stable")
    found = np.empty(len(levels))

    def work(part: slice) -> None:
        found[order[part]] = _tails(levels[order[part]], m, n)

    _shared.in_threads(work, _shared.slices(len(levels), _LEVELS))
    return found


def _tails(levels: Counts, m: int, n: int) -> Values:
    """As :func:`tail_probabilities`; the columns are i, from 0 to m, on the diagonal t.

    Where |i n - j m| reaches the largest of the levels the probability is 1 for all, and is not computed.
    """
    largest, above = int(levels.max(initial=0)), levels.astype(np.float64)[:, None]
    i = np.arange(m + 1, dtype=np.float64)
    reached = np.ones((len(levels), m + 2))
    now = reached[:, 1:]  # column 0 is the way in from i = -1, which no path takes
    now[:, 0] = levels <= 0
    spare = np.empty_like(now)
    for t in range(1, m + n + 1):
        low = max(0, t - n, (t * m - largest) // (m + n))
        high = min(m, t, (t * m + largest) // (m + n) + 1) + 1
        places = i[low:high]
        from_left = np.multiply(reached[:, low:high], places, out=spare[:, : high - low])
        here = now[:, low:high]
        here *= t - places
        here += from_left
        here /= t
        np.copyto(here, 1.0, where=np.abs(places * n - (t - places) * m) >= above)
    return np.asarray(now[:, m].copy())


def _merge(left: Numbers, right: Numbers) -> tuple[Values, NDArray[np.bool_]]:
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
