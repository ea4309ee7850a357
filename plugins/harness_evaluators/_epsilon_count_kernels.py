"""Epsilon from counts of errors, and counts of sorted values, compiled; see :mod:`harness_evaluators._epsilon_rates`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled
from harness_evaluators._epsilon_rates import Logs

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int32]
Singles = NDArray[np.float32]
Found = tuple[float, float, float]
"""The best interval up to now: epsilon and both ends, the lower one above where there is none."""

Side = tuple[Values, Logs, Singles]
"""Sorted values of a population, logarithms of its rates, and how many values lie before each cell."""


@compiled
def epsilon_of(one: Logs, other: Logs, one_errors: int, other_errors: int) -> float:
    if one_errors == 0 and other_errors == 0:
        return math.inf
    return float(max(one[0, one_errors] - other[1, other_errors], other[0, other_errors] - one[1, one_errors]))


@compiled
def below(values: Values, bound: float, count: int) -> int:
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
def rank_of(values: Values, bound: float) -> int:
    """How many sorted values are below the bound."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] < bound:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def bound_of(one: Side, other: Side, fewest: tuple[int, int]) -> float:
    """The largest epsilon of attacks with at least so many errors on either population; 0 on one alone is discarded."""
    if fewest[0] <= 0 and fewest[1] <= 0:
        return math.inf
    return epsilon_of(one[1], other[1], max(fewest[0], 1), max(fewest[1], 1))
