"""Compiled twin of :mod:`harness_evaluators._grid`, with equal results.

Importing this module needs numba and takes its time, so it is imported only when epsilons are computed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled
from harness_evaluators._epsilon_rates import Logs, Out, Sides
from harness_evaluators._grid import BUFFER, N_LEFT, PER_UNIT

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int32]
Best = tuple[float, float, float]
Bounds = tuple[int, int, int, int]
CELL = 0.08
"""Width of the cells of left ends."""

RIGHTS = 20
"""Right ends of a bundle."""


@compiled
def epsilon_of(one: Logs, other: Logs, one_errors: int, other_errors: int) -> float:
    if one_errors == 0 and other_errors == 0:
        return math.inf
    return float(max(one[0, one_errors] - other[1, other_errors], other[0, other_errors] - one[1, one_errors]))


@compiled
def _below(values: Values, bound: float, count: int) -> int:
    """How many sorted values are below the bound, sought from ``count`` on."""
    while count < len(values) and values[count] < bound:
        count += 1
    while count > 0 and values[count - 1] >= bound:
        count -= 1
    return count


@compiled
def upto(values: Values, bound: float, count: int) -> int:
    """How many sorted values are not above the bound, sought from ``count`` on."""
    while count < len(values) and values[count] <= bound:
        count += 1
    while count > 0 and values[count - 1] > bound:
        count -= 1
    return count


@compiled
def _threshold(i: int, count: int, start: float, stop: float, step: float) -> float:
    """Number i of the single family's thresholds."""
    value = start + step * i if i < count // 2 else stop - step * (count - 1 - i)
    return float(np.float32(value))


@compiled
def _single(p: Values, q: Values, p_logs: Logs, q_logs: Logs) -> Best:
    best, left = 0.0, math.inf
    low, high = min(p[0], q[0]), max(p[-1], q[-1])
    count = math.ceil((high - low) * PER_UNIT)
    start, stop = np.float32(low), np.float32(high)
    step = np.float32((stop - start) / np.float32(max(count - 1, 1)))
    missed = rejected = 0
    for i in range(count):
        bound = _threshold(i, count, float(start), float(stop), float(step)) if count > 1 else float(start)
        missed, rejected = _below(p, bound, missed), _below(q, bound, rejected)
        found = epsilon_of(p_logs, q_logs, missed, len(q) - rejected)
        if found > best:
            best, left = found, bound
    return best, left, (math.inf if best > 0 else -math.inf)


@compiled
def _cell_counts(values: Values, origin: float, counts: Counts) -> None:
    """Set how many sorted values are below origin, origin + CELL, origin + 2 CELL..."""
    count = 0
    for c in range(len(counts)):
        count = _below(values, origin + c * CELL, count)
        counts[c] = count


@compiled
def _may_exceed(best: float, a_logs: Logs, b_logs: Logs, most_a: int, fewest_b: int) -> bool:
    """Whether an interval with at most so many of A and at least so many of B inside may be better."""
    missed = max(a_logs.shape[1] - 1 - most_a, 0)
    if missed == 0 and fewest_b <= 0:
        return True
    return bool(epsilon_of(a_logs, b_logs, max(missed, 1), max(fewest_b, 1)) > best)


@compiled
def count_inside(values: Values, low: float, high: float) -> int:
    """How many sorted values lie in a closed interval."""
    return max(int(np.searchsorted(values, high, side="right") - np.searchsorted(values, low)), 0)


@compiled
def just_below(value: float) -> float:
    """The largest number below, so that whatever reaches the value surpasses it."""
    return float(np.nextafter(np.float64(value), -math.inf))


@compiled
def _reached_near(a: Values, b: Values, a_logs: Logs, b_logs: Logs, near: tuple[float, float]) -> float:
    """The largest epsilon of intervals of the double family's grid next to a given one; 0 where it is half a line or none."""
    best = 0.0
    if not (math.isfinite(near[0]) and math.isfinite(near[1])):
        return best
    width = a[-1] - a[0]
    first, last = (a[0] + width) - BUFFER, a[-1] + BUFFER
    n_right = math.ceil((last - first) * PER_UNIT)
    step = (last - first) / (n_right - 1)
    middle = int((min(max(near[1], first), last) - first) / step)
    for k in range(max(0, middle - 1), min(n_right, middle + 3)):
        right = last if k == n_right - 1 else k * step + first
        start, stop = (right - width) - BUFFER, (right - width) + BUFFER
        left_step = (stop - start) / (N_LEFT - 1)
        centre = int((min(max(near[0], start), stop) - start) / left_step)
        for j in range(max(0, centre - 1), min(N_LEFT, centre + 3)):
            left = stop if j == N_LEFT - 1 else j * left_step + start
            missed = len(a) - count_inside(a, left, right)
            best = max(best, epsilon_of(a_logs, b_logs, missed, count_inside(b, left, right)))
    return best


@compiled
def _double(a: Values, b: Values, a_logs: Logs, b_logs: Logs, best: float, near: tuple[float, float]) -> Best:
    """The first interval better than ``best`` by which no other is surpassed, in the order of the definition.

    Intervals are passed over in bundles, RIGHTS right ends and left ends within a cell, where none can be better; nor than
    what is reached next to the interval ``near``.
    """
    low, high = math.inf, -math.inf
    best = max(best, just_below(_reached_near(a, b, a_logs, b_logs, near)))
    width = a[-1] - a[0]
    first, last = (a[0] + width) - BUFFER, a[-1] + BUFFER
    n_right = math.ceil((last - first) * PER_UNIT)
    step = (last - first) / (n_right - 1)
    origin = (first - width) - BUFFER - CELL
    n_cells = math.ceil(((last - width) + BUFFER - origin) / CELL) + 2
    cells_a, cells_b = np.empty(n_cells, np.int32), np.empty(n_cells, np.int32)
    _cell_counts(a, origin, cells_a)
    _cell_counts(b, origin, cells_b)
    live = np.empty(n_cells, np.bool_)
    upto_a = upto_b = 0
    for begin in range(0, n_right, RIGHTS):
        end = min(begin + RIGHTS, n_right)
        largest = last if end == n_right else (end - 1) * step + first
        upto_a, upto_b = upto(a, largest, upto_a), upto(b, begin * step + first, upto_b)
        c_first = max(0, int((((begin * step + first) - width) - BUFFER - origin) / CELL) - 1)
        c_end = min(n_cells - 1, int(((largest - width) + BUFFER - origin) / CELL) + 2)
        alive = False
        for c in range(c_first, c_end):
            live[c] = _may_exceed(best, a_logs, b_logs, upto_a - cells_a[c], upto_b - cells_b[c + 1])
            alive |= live[c]
        if not alive:
            continue
        for k in range(begin, end):
            right = last if k == n_right - 1 else k * step + first
            upto_a, upto_b = upto(a, right, upto_a), upto(b, right, upto_b)
            for c in range(c_first, c_end):
                if live[c] and _may_exceed(best, a_logs, b_logs, upto_a - cells_a[c], upto_b - cells_b[c + 1]):
                    counts = cells_a[c], upto_a, cells_b[c], upto_b
                    found, left = _lefts(a, b, a_logs, b_logs, right - width, origin + c * CELL, counts, best)
                    if found > best:
                        best, low, high = found, left, right
    return best, low, high


@compiled
def _lefts(
    a: Values, b: Values, a_logs: Logs, b_logs: Logs, centre: float, cell: float, counts: Bounds, best: float
) -> tuple[float, float]:
    """The best left end of one right end within a cell, where it is better than ``best``; one more on either side."""
    best_left = math.inf
    below_a, upto_a, below_b, upto_b = counts
    start, stop = centre - BUFFER, centre + BUFFER
    step = (stop - start) / (N_LEFT - 1)
    for j in range(max(0, int((cell - start) / step) - 1), min(N_LEFT, int((cell + CELL - start) / step) + 2)):
        left = stop if j == N_LEFT - 1 else j * step + start
        below_a, below_b = _below(a, left, below_a), _below(b, left, below_b)
        found = epsilon_of(a_logs, b_logs, len(a) - max(upto_a - below_a, 0), max(upto_b - below_b, 0))
        if found > best:
            best, best_left = found, left
    return best, best_left


@compiled
def official(unlearned: Values, retrained: Values, retrained_positive: Flags, logs: Sides, out: Out) -> None:
    """As :func:`harness_evaluators._grid.official`; what ``out`` holds as intervals is where to begin."""
    epsilon, low, high, inside = out
    for s in range(len(unlearned)):
        p, p_logs, q, q_logs = unlearned[s], logs[0], retrained[s], logs[1]
        near = low[s], high[s]
        if retrained_positive[s]:
            p, p_logs, q, q_logs = q, q_logs, p, p_logs
        epsilon[s], low[s], high[s] = _single(p, q, p_logs, q_logs)
        inside[s] = not retrained_positive[s]
        narrow_is_q = p[-1] - p[0] >= q[-1] - q[0]
        if narrow_is_q:
            p, p_logs, q, q_logs = q, q_logs, p, p_logs
        best, left, right = _double(p, q, p_logs, q_logs, epsilon[s], near)
        if best > epsilon[s]:
            epsilon[s], low[s], high[s] = best, left, right
            inside[s] = retrained_positive[s] == narrow_is_q
