"""Cells of the line, the same for both populations, and what no attack with its ends in given cells can surpass.

Cell c of an origin holds the numbers x with floor((x - origin) PER_CELL) = c, as computed: rounded or not, this never falls
with x, so that the values below a threshold are at least those of the cells below its own, and at most those up to it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled, vectorised
from harness_evaluators._epsilon_rates import CAP

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
PER_CELL = 12.5
"""Cells in a unit of phi: eight thresholds of the grid in each."""

_MARGIN = 1e-5
"""More than what single precision leaves uncertain of a rate, or of e^epsilon."""

_ZERO, _ONE, _INFINITY = np.float32(0), np.float32(1), np.float32(math.inf)


@compiled
def cell_of(value: float, origin: float) -> int:
    """The cell of a number, the first one's for what is below it."""
    return int((value - origin) * PER_CELL)


@compiled
def set_cells(values: Values, origin: float, counts: Singles) -> None:
    """Set how many of the sorted values lie in the cells before 0, 1, 2...; none may lie in the last one or above."""
    for c in range(len(counts)):
        counts[c] = 0
    for i in range(len(values)):
        counts[np.uint64(cell_of(values[i], origin) + 1)] = i + 1  # without a sign, which would be looked at
    count = counts[0]
    for c in range(len(counts)):
        count = max(count, counts[c])
        counts[c] = count


@vectorised
def set_bounds(a: Singles, b: Singles, errors: tuple[int, int], sizes: tuple[int, int], out: Singles) -> None:
    """Set e^epsilon, or a little more, of attacks with at least ``errors[0] + a`` and ``errors[1] - b`` errors.

    Args:
        a: errors on the first population, on top of what is common to all, shape (n,).
        b: errors that the second is spared, shape (n,).
        errors: on either population in common.
        sizes: how many models either holds.
        out: what is set, shape (n,); inf where there may be no error.
    """
    n_a, n_b = np.float32(sizes[0]), np.float32(sizes[1])
    top_a, top_b = np.float32(sizes[0] * (1 + _MARGIN)), np.float32(sizes[1] * (1 + _MARGIN))
    errors_a, errors_b = np.float32(errors[0]), np.float32(errors[1])
    b_by_a, a_by_b = n_b / n_a, n_a / n_b
    for c in range(len(out)):
        one, other = errors_a + a[c], errors_b - b[c]
        most = one if one > other else other
        one = one if one > _ONE else _ONE
        other = other if other > _ONE else _ONE
        first, second = (top_a - one) * b_by_a * one, (top_b - other) * a_by_b * other
        larger = first if first > second else second
        out[c] = larger / (one * other) if most > _ZERO else _INFINITY


@compiled
def limit_of(epsilon: float) -> float:
    """What :func:`set_bounds` sets where epsilon may be surpassed, at least."""
    return math.exp(min(epsilon, CAP)) * (1 - _MARGIN)


@compiled
def first_of_largest(bounds: Singles) -> int:
    """Where the largest of some numbers is that are not negative: they are ordered as their bits are."""
    bits = bounds.view(np.int32)
    top = bits[0]
    for c in range(len(bits)):
        top = max(top, bits[c])
    c = 0
    while bits[c] != top:
        c += 1
    return c
