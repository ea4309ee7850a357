"""The double family of :mod:`harness_evaluators._grid`, compiled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled
from harness_evaluators._epsilon_cell_kernels import PER_CELL, cell_of, first_of_largest, limit_of, set_bounds
from harness_evaluators._epsilon_count_kernels import (
    Found,
    Side,
    Singles,
    Values,
    below,
    bound_of,
    epsilon_of,
    upto,
)
from harness_evaluators._epsilon_rates import CAP
from harness_evaluators._grid import BUFFER, N_LEFT, PER_UNIT

Spare = tuple[Singles, Singles, Values, NDArray[np.int32]]
"""Room for bounds by cell, by bundle and by pair, and for the pairs themselves."""

BUNDLE = 4
"""Cells of right ends that are passed over together."""

WINDOW = math.ceil(2 * BUFFER * PER_CELL) + BUNDLE + 8
"""More than the cells of left ends for a bundle."""

JUST_BELOW = 1 - 2.0**-40
"""Times an epsilon it is surpassed by that epsilon, and by none smaller: those of single precision are further apart."""


@compiled
def _set_bounds(a: Side, b: Side, origin: float, rights: tuple[int, int], out: Singles) -> tuple[int, int]:
    """Set the bounds of intervals with right ends in some cells; the cells of the left ends are returned, first and end."""
    width, (begin, end) = a[0][-1] - a[0][0], rights
    lowest, highest = origin + begin / PER_CELL - width - BUFFER, origin + end / PER_CELL - width + BUFFER
    first, last = max(0, cell_of(lowest, origin) - 1), min(len(a[2]) - 1, cell_of(highest, origin) + 2)
    errors = len(a[0]) - int(a[2][end]), int(b[2][begin])
    set_bounds(a[2][first:last], b[2][first + 1 : last + 1], errors, (len(a[0]), len(b[0])), out[: last - first])
    return first, last


@compiled
def double(a: Side, b: Side, origin: float, ends: bool, found: Found, spare: Spare) -> Found:
    """The best interval of the grid if it is better than what was found; the first of equal ones if ``ends`` are wanted.

    Right ends are passed over in bundles of cells, and pairs of cells of either end within them, where none can be better;
    the likeliest come first.
    """
    bounds, largest, _, _ = spare
    width = a[0][-1] - a[0][0]
    first, end = cell_of(a[0][0] + width - BUFFER, origin), cell_of(a[0][-1] + BUFFER, origin) + 1
    n_bundles = (end - first + BUNDLE - 1) // BUNDLE
    for i in range(n_bundles):
        rights = first + i * BUNDLE, min(first + (i + 1) * BUNDLE, end)
        lefts = _set_bounds(a, b, origin, rights, bounds)
        largest[i] = bounds[first_of_largest(bounds[: lefts[1] - lefts[0]])]
    likeliest = first_of_largest(largest[:n_bundles])
    for i in range(-1, n_bundles):
        bundle = i if i >= 0 else likeliest
        if largest[bundle] < limit_of(_to_exceed(found, ends)):
            continue
        rights = first + bundle * BUNDLE, min(first + (bundle + 1) * BUNDLE, end)
        largest[bundle] = 0
        count = _list_pairs(a, b, origin, _to_exceed(found, ends), rights, spare)
        while count > 0:
            top, count = _likeliest(_to_exceed(found, ends), count, spare)
            if count > 0:
                found = _of_pair(a, b, origin, ends, found, (spare[3][top, 0], spare[3][top, 1]))
                spare[2][top] = 0.0
    return found


@compiled
def _to_exceed(found: Found, ends: bool) -> float:
    """What epsilon must exceed to count: where ends are wanted, an interval as good as that found may be an earlier one."""
    return min(found[0], CAP) * JUST_BELOW if ends and found[1] <= found[2] else found[0]


@compiled
def _list_pairs(a: Side, b: Side, origin: float, best: float, rights: tuple[int, int], spare: Spare) -> int:
    """List the pairs of cells, with right ends in some, that may surpass ``best``, and what they reach at most."""
    by_cell, _, bounds, pairs = spare
    limit, count = limit_of(best), 0
    for d in range(rights[0], rights[1]):
        lefts = _set_bounds(a, b, origin, (d, d + 1), by_cell)
        for c in range(lefts[0], lefts[1]):
            if by_cell[c - lefts[0]] >= limit:
                bound = bound_of(a, b, (len(a[0]) - int(a[2][d + 1] - a[2][c]), int(b[2][d] - b[2][c + 1])))
                if bound > best:
                    bounds[count], pairs[count, 0], pairs[count, 1] = bound, d, c
                    count += 1
    return count


@compiled
def _likeliest(best: float, count: int, spare: Spare) -> tuple[int, int]:
    """Strike off the list what cannot surpass ``best``; the pair with the largest bound, and how many are left."""
    _, _, bounds, pairs = spare
    kept = top = 0
    for i in range(count):
        if bounds[i] > best:
            bounds[kept], pairs[kept, 0], pairs[kept, 1] = bounds[i], pairs[i, 0], pairs[i, 1]
            top = kept if bounds[kept] > bounds[top] else top
            kept += 1
    return top, kept


@compiled
def _of_pair(a: Side, b: Side, origin: float, ends: bool, found: Found, pair: tuple[int, int]) -> Found:
    """As :func:`double`, among right ends in one cell and left ends in another, and a few beside them."""
    d, c = pair
    width = a[0][-1] - a[0][0]
    first, last = (a[0][0] + width) - BUFFER, a[0][-1] + BUFFER
    count = math.ceil((last - first) * PER_UNIT)
    step = (last - first) / (count - 1)
    nearest = (origin + d / PER_CELL - first) / step
    k, end = max(0, int(nearest)), min(count, int(nearest + 1 / (PER_CELL * step)) + 2)
    upto_a, upto_b = int(a[2][d]), int(b[2][d])
    while k < end:
        right = last if k == count - 1 else k * step + first
        upto_a, upto_b = upto(a[0], right, upto_a), upto(b[0], right, upto_b)
        k += 1
        if _any_left(a, b, (upto_a, upto_b), c, _to_exceed(found, ends)):
            found = _lefts(a, b, ends, found, right, (upto_a, upto_b), (c, origin + c / PER_CELL))
        else:  # nor is there one before the next value
            value = min(_at(a[0], upto_a), _at(b[0], upto_b), last)
            k = max(k, int((value - first) / step))
    return found


@compiled
def _at(values: Values, i: int) -> float:
    """Sorted value i, or infinity after the last one."""
    return values[i] if i < len(values) else math.inf


@compiled
def _any_left(a: Side, b: Side, counts: tuple[int, int], c: int, best: float) -> bool:
    """Whether left ends anywhere in a cell may surpass ``best``, by how many values lie up to the right end."""
    i, j = int(a[2][c]), int(b[2][c])
    end_a, end_b = int(a[2][c + 1]), int(b[2][c + 1])
    while epsilon_of(a[1], b[1], len(a[0]) - max(counts[0] - i, 0), max(counts[1] - j, 0)) <= best:
        if i == end_a and j == end_b:
            return False
        if j == end_b or (i < end_a and a[0][i] <= b[0][j]):
            i += 1
        else:
            j += 1
    return True


@compiled
def _lefts(
    a: Side, b: Side, ends: bool, found: Found, right: float, counts: tuple[int, int], cell: tuple[int, float]
) -> Found:
    """As :func:`double`, among the left ends of one right end in a cell, and a few beside it."""
    centre = right - (a[0][-1] - a[0][0])
    start, stop = centre - BUFFER, centre + BUFFER
    step = (stop - start) / (N_LEFT - 1)
    nearest = (cell[1] - start) / step
    below_a, below_b = int(a[2][cell[0]]), int(b[2][cell[0]])
    for j in range(max(0, int(nearest)), min(N_LEFT, int(nearest + 1 / (PER_CELL * step)) + 2)):
        left = stop if j == N_LEFT - 1 else j * step + start
        below_a, below_b = below(a[0], left, below_a), below(b[0], left, below_b)
        epsilon = epsilon_of(a[1], b[1], len(a[0]) - max(counts[0] - below_a, 0), max(counts[1] - below_b, 0))
        earlier = right < found[2] or (right == found[2] and left < found[1])
        if epsilon > found[0] or (ends and earlier and epsilon == found[0]):
            found = epsilon, left, right
    return found
