"""Compiled twin of :mod:`harness_evaluators._grid`, with equal results.

Importing this module needs numba and takes its time, so it is imported only when epsilons are computed.
"""

from __future__ import annotations

import math

import numpy as np

from harness_evaluators._compiled import compiled
from harness_evaluators._epsilon_cell_kernels import (
    PER_CELL,
    cell_of,
    first_of_largest,
    limit_of,
    set_bounds,
    set_cells,
)
from harness_evaluators._epsilon_count_kernels import (
    Flags,
    Found,
    Side,
    Singles,
    Values,
    below,
    bound_of,
    epsilon_of,
)
from harness_evaluators._epsilon_double_kernels import BUNDLE, JUST_BELOW, WINDOW, double
from harness_evaluators._epsilon_rates import CAP, Out, Sides
from harness_evaluators._grid import BUFFER, PER_UNIT


@compiled
def _threshold(i: int, count: int, start: float, stop: float, step: float) -> float:
    """Number i of the single family's thresholds."""
    value = start + step * i if i < count // 2 else stop - step * (count - 1 - i)
    return float(np.float32(value))


@compiled
def _single(p: Side, q: Side, origin: float, ends: bool, bounds: Singles) -> Found:
    """The best single threshold, the first of equal ones if ``ends`` are wanted: in the likeliest cell, then in order."""
    low, high = min(p[0][0], q[0][0]), max(p[0][-1], q[0][-1])
    count = math.ceil((high - low) * PER_UNIT)
    if count == 0:
        return 0.0, math.inf, -math.inf
    start, stop = np.float32(low), np.float32(high)
    step = float(np.float32((stop - start) / np.float32(max(count - 1, 1)))) if count > 1 else 1.0
    grid = np.float64(start), np.float64(stop), step, count
    begin, end = cell_of(grid[0], origin), cell_of(grid[1], origin) + 1
    n_p, n_q = len(p[0]), len(q[0])
    set_bounds(p[2][begin:end], q[2][begin + 1 : end + 1], (np.int64(0), n_q), (n_p, n_q), bounds[: end - begin])
    best, left = _of_cell(p, q, grid, origin, begin + first_of_largest(bounds[: end - begin]), 0.0, math.inf)
    if ends:
        best = min(best, CAP) * JUST_BELOW
    limit = limit_of(best)
    for c in range(begin, end):
        if bounds[c - begin] < limit or bound_of(p, q, (int(p[2][c]), n_q - int(q[2][c + 1]))) <= best:
            continue
        found = _of_cell(p, q, grid, origin, c, best, left)
        if found[0] > best:
            best, left = found
            limit = limit_of(best)
    return best, left, (math.inf if best > 0 else -math.inf)


@compiled
def _of_cell(
    p: Side, q: Side, grid: tuple[float, float, float, int], origin: float, c: int, best: float, left: float
) -> tuple[float, float]:
    """The first single threshold by which ``best`` is surpassed most, among those of a cell and a few beside it."""
    start, stop, step, count = grid
    nearest = int((origin + c / PER_CELL - start) / step)
    missed, rejected = int(p[2][c]), int(q[2][c])
    for i in range(max(0, nearest - 1), min(count, nearest + int(1 / (PER_CELL * step)) + 4)):
        bound = _threshold(i, count, start, stop, step) if count > 1 else start
        missed, rejected = below(p[0], bound, missed), below(q[0], bound, rejected)
        found = epsilon_of(p[1], q[1], missed, len(q[0]) - rejected)
        if found > best:
            best, left = found, bound
    return best, left


@compiled
def official(
    unlearned: Values, retrained: Values, retrained_positive: Flags, logs: Sides, ends: bool, out: Out
) -> None:
    """As :func:`harness_evaluators._grid.official`; without ``ends`` it may be another interval of the same epsilon."""
    epsilon, low, high, inside = out
    cells, bounds = np.empty((2, 0), np.float32), np.empty(0, np.float32)
    spare = (
        np.empty(WINDOW, np.float32),
        np.empty(WINDOW, np.float32),
        np.empty(BUNDLE * WINDOW),
        np.empty((BUNDLE * WINDOW, 2), np.int32),
    )
    for s in range(len(unlearned)):
        u, r = unlearned[s], retrained[s]
        origin = min(u[0], r[0]) - 2 * BUFFER
        n_cells = cell_of(max(u[-1], r[-1]) + BUFFER, origin) + 2
        if n_cells >= len(bounds):
            cells, bounds = np.empty((2, 2 * n_cells), np.float32), np.empty(2 * n_cells, np.float32)
        p, q = (u, logs[0], cells[0, : n_cells + 1]), (r, logs[1], cells[1, : n_cells + 1])
        set_cells(u, origin, p[2])
        set_cells(r, origin, q[2])
        if retrained_positive[s]:
            p, q = q, p
        found = _single(p, q, origin, ends, bounds)
        inside[s] = not retrained_positive[s]
        narrow_is_q = p[0][-1] - p[0][0] >= q[0][-1] - q[0][0]
        if narrow_is_q:
            p, q = q, p
        better = double(p, q, origin, ends, (found[0], math.inf, -math.inf), spare)
        if better[0] > found[0]:
            found = better
            inside[s] = retrained_positive[s] == narrow_is_q
        epsilon[s], low[s], high[s] = found
