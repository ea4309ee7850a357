"""The exact null distribution of the two-sample Kolmogorov-Smirnov distance.

Source: Hodges, "The significance probability of the Smirnov two-sample test" (1958).
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import parallel

Values = NDArray[np.float64]
Counts = NDArray[np.int64]

MAX_LEVELS = 256
"""Most distances with an exact probability; if there are more, they are rounded down to that many, so that p is conservative."""

_LEVELS = 32
"""Number of probabilities computed at once."""


def p_values(distance: Values, m: int, n: int) -> Values:
    """Return exact P(D >= distance) for samples of m and n from one continuous distribution, shape as ``distance``.

    More than MAX_LEVELS different distances are rounded down to that many: p is then slightly too large. Ties within the
    samples also make p too large, never too small.
    """
    counts = np.rint(distance * (m * n)).astype(np.int64)
    levels = np.unique(counts)
    if len(levels) > MAX_LEVELS:
        levels = levels[np.linspace(0, len(levels) - 1, MAX_LEVELS).astype(np.int64)]
    return tail_probabilities(levels, m, n)[np.searchsorted(levels, counts, side="right") - 1]


@functools.lru_cache
def null_mean(m: int, n: int) -> float:
    """Return E[D] for samples of m and n from one continuous distribution.

    It is the sum over D's possible values k of P(D >= k) times their spacing. With more than MAX_LEVELS values an even grid
    of midpoints is used, with an error below 1 / MAX_LEVELS.
    """
    unit = math.gcd(m, n)
    total = m * n // unit
    if total <= MAX_LEVELS:
        return float(tail_probabilities(unit * np.arange(1, total + 1), m, n).sum() / total)
    middles = (np.arange(MAX_LEVELS) + 0.5) / MAX_LEVELS
    # P(D >= d) <= 2 e exp(-2 d^2 m n / (m + n)): terms below 1e-18 are negligible (Wei and Dudley, 2012).
    middles = middles[2 * middles**2 * m * n / (m + n) < 18 * math.log(10) + 2]
    grid = np.ceil(middles * m * n).astype(np.int64)
    return float(tail_probabilities(grid, m, n).sum() / MAX_LEVELS)


@functools.lru_cache
def null_quantiles(m: int, n: int, probabilities: tuple[float, ...]) -> tuple[float, ...]:
    """Return quantiles of D for samples of m and n from one continuous distribution: the smallest d with P(D <= d) >= p.

    D's values are m n / gcd(m, n) multiples of a unit; if there are more than MAX_LEVELS, that many evenly spaced ones are
    used.
    """
    unit = math.gcd(m, n)
    total = m * n // unit
    steps = np.unique(np.ceil(np.linspace(0, total, min(total, MAX_LEVELS) + 1)).astype(np.int64))
    at_most = 1 - np.append(tail_probabilities(unit * steps[:-1] + 1, m, n), 0.0)
    found = np.searchsorted(at_most, np.asarray(probabilities) - 1e-12)
    return tuple(float(value) for value in steps[found] / total)


def tail_probabilities(levels: Counts, m: int, n: int) -> Values:
    """Return exact P(m n D >= level) for each level, shape (n_levels,).

    A merged sample is a lattice path from (0, 0) to (m, n), all equally likely; D m n is its largest |i n - j m|. The
    recursion runs over the diagonals i + j = t. The probability that a path to (i, j) has reached the level is 1 if the point
    itself does, else that of its predecessors weighted by i / t and j / t. Nothing is subtracted, so small probabilities keep
    their precision.
    """
    levels = np.asarray(levels, dtype=np.int64)
    order = np.argsort(levels, kind="stable")
    found = parallel.unfilled(len(levels))

    def work(part: slice) -> None:
        found[order[part]] = _tails(levels[order[part]], m, n)

    parallel.in_threads(work, parallel.slices(len(levels), _LEVELS))
    return found


def _tails(levels: Counts, m: int, n: int) -> Values:
    """Return :func:`tail_probabilities`; columns are i, from 0 to m, on the diagonal t.

    Points with |i n - j m| beyond the largest level have probability 1 for all levels, and are skipped.
    """
    largest, above = int(levels.max(initial=0)), levels.astype(np.float64)[:, None]
    i = np.arange(m + 1, dtype=np.float64)
    reached = np.ones((len(levels), m + 2))
    now = reached[:, 1:]  # column 0 is i = -1, outside of the lattice
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
