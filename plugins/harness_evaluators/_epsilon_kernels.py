"""Compiled twins of :mod:`harness_evaluators._grid` and :mod:`harness_evaluators._epsilon_exact`, with equal results.

Importing this module needs numba and takes its time, so it is imported only when epsilons are computed. Kernels release
the interpreter lock. Compiled code is cached beside this file, or in the user's cache folder, or, where no folder can be
written, not at all.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._epsilon_rates import Logs, Out, Sides
from harness_evaluators._grid import BUFFER, N_LEFT, PER_UNIT

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int32]
Best = tuple[float, float, float]
Bounds = tuple[int, int, int, int]
Function = TypeVar("Function", bound=Callable[..., Any])

numba = importlib.import_module("numba")


def compiled(function: Function) -> Function:
    """Compile on first call, and keep the result on disk where that is possible."""
    try:
        kernel: Function = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no folder that it may write
        kernel = numba.njit(nogil=True)(function)
    return kernel


@compiled
def _epsilon(one: Logs, other: Logs, one_errors: int, other_errors: int) -> float:
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
def _upto(values: Values, bound: float, count: int) -> int:
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
        found = _epsilon(p_logs, q_logs, missed, len(q) - rejected)
        if found > best:
            best, left = found, bound
    return best, left, (math.inf if best > 0 else -math.inf)


@compiled
def _double(a: Values, b: Values, a_logs: Logs, b_logs: Logs) -> Best:
    best, low, high = 0.0, math.inf, -math.inf
    width = a[-1] - a[0]
    first, last = (a[0] + width) - BUFFER, a[-1] + BUFFER
    n_right = math.ceil((last - first) * PER_UNIT)
    step = (last - first) / (n_right - 1)
    upto_a = upto_b = below_a = below_b = 0
    for k in range(n_right):
        right = last if k == n_right - 1 else k * step + first
        upto_a, upto_b = _upto(a, right, upto_a), _upto(b, right, upto_b)
        start = (right - width) - BUFFER
        below_a, below_b = _below(a, start, below_a), _below(b, start, below_b)
        found, left = _lefts(a, b, a_logs, b_logs, right - width, (below_a, upto_a, below_b, upto_b))
        if found > best:
            best, low, high = found, left, right
    return best, low, high


@compiled
def _lefts(a: Values, b: Values, a_logs: Logs, b_logs: Logs, centre: float, counts: Bounds) -> tuple[float, float]:
    """The best left end for one right end; epsilon changes only where a count does."""
    best, best_left = 0.0, math.inf
    below_a, upto_a, below_b, upto_b = counts
    start, stop = centre - BUFFER, centre + BUFFER
    step = (stop - start) / (N_LEFT - 1)
    sparse = upto_a + upto_b - below_a - below_b < N_LEFT
    seen_a = seen_b = -1
    j = 0
    while j < N_LEFT:
        left = stop if j == N_LEFT - 1 else j * step + start
        while below_a < upto_a and a[below_a] < left:
            below_a += 1
        while below_b < upto_b and b[below_b] < left:
            below_b += 1
        if below_a >= upto_a:
            break
        if below_a != seen_a or below_b != seen_b:
            seen_a, seen_b = below_a, below_b
            found = _epsilon(a_logs, b_logs, len(a) - (upto_a - below_a), max(upto_b - below_b, 0))
            if found > best:
                best, best_left = found, left
        if below_b >= upto_b:
            break
        j += 1
        if sparse:  # nothing changes before the next value; one step less allows for rounding
            j = max(j, int((min(a[below_a], b[below_b]) - start) / step))
    return best, best_left


@compiled
def official(unlearned: Values, retrained: Values, retrained_positive: Flags, logs: Sides, out: Out) -> None:
    """As :func:`harness_evaluators._grid.official`."""
    epsilon, low, high, inside = out
    for s in range(len(unlearned)):
        p, p_logs, q, q_logs = unlearned[s], logs[0], retrained[s], logs[1]
        if retrained_positive[s]:
            p, p_logs, q, q_logs = q, q_logs, p, p_logs
        epsilon[s], low[s], high[s] = _single(p, q, p_logs, q_logs)
        inside[s] = not retrained_positive[s]
        narrow_is_q = p[-1] - p[0] >= q[-1] - q[0]
        if narrow_is_q:
            p, p_logs, q, q_logs = q, q_logs, p, p_logs
        best, left, right = _double(p, q, p_logs, q_logs)
        if best > epsilon[s]:
            epsilon[s], low[s], high[s] = best, left, right
            inside[s] = retrained_positive[s] == narrow_is_q


@compiled
def _count_below(a: Values, b: Values, below: Counts) -> bool:
    """Set how many of b lie below each of a; whether any two of all values are equal."""
    count, tied = 0, False
    for i in range(len(a)):
        while count < len(b) and b[count] < a[i]:
            count += 1
        below[i] = count
        tied |= (count < len(b) and b[count] == a[i]) or (i > 0 and a[i] == a[i - 1])
    return bool(tied)


@compiled
def _fewest(below: Counts, size: int) -> int:
    """The fewest of B in a window over ``size`` consecutive values of A."""
    ends = below[size - 1 :]  # an index that cannot be negative lets the loop run on vectors
    fewest = ends[0] - below[0]
    for i in range(len(ends)):
        fewest = min(fewest, ends[i] - below[i])
    return int(fewest)


@compiled
def _of_windows(a: Values, below: Counts, a_logs: Logs, b_logs: Logs) -> Best:
    best, best_size, n = 0.0, 0, len(a)
    for size in range(1, n + 1):
        fewest = _fewest(below, size)
        found = _epsilon(a_logs, b_logs, n - size, fewest if size == n else max(fewest, 1))
        if found > best:
            best, best_size = found, size
    if best_size == 0:
        return best, math.inf, -math.inf
    start, fewest = 0, _fewest(below, best_size)
    while below[start + best_size - 1] - below[start] != fewest:
        start += 1
    return best, a[start], a[start + best_size - 1]


@compiled
def _distinct(u: Values, r: Values, ends: Values, upto_u: Counts, upto_r: Counts) -> int:
    """Set the distinct values and how many of either side lie up to each; returns their number."""
    i = j = count = 0
    while i < len(u) or j < len(r):
        value = u[i] if j == len(r) or (i < len(u) and u[i] < r[j]) else r[j]
        i, j = _upto(u, value, i), _upto(r, value, j)
        ends[count], upto_u[count], upto_r[count] = value, i, j
        count += 1
    return count


@compiled
def _among_all(u: Values, r: Values, u_logs: Logs, r_logs: Logs) -> tuple[float, float, float, bool]:
    best, low, high, role = 0.0, math.inf, -math.inf, True
    ends = np.empty(len(u) + len(r))
    upto_u, upto_r = np.empty(len(ends), np.int32), np.empty(len(ends), np.int32)
    count = _distinct(u, r, ends, upto_u, upto_r)
    for i in range(count):
        before_u, before_r = (upto_u[i - 1], upto_r[i - 1]) if i else (0, 0)
        for j in range(i, count):
            inside_u, inside_r = upto_u[j] - before_u, upto_r[j] - before_r
            found = _epsilon(u_logs, r_logs, len(u) - inside_u, inside_r)
            if found > best:
                best, low, high, role = found, ends[i], ends[j], True
            found = _epsilon(u_logs, r_logs, inside_u, len(r) - inside_r)
            if found > best:
                best, low, high, role = found, ends[i], ends[j], False
    return best, low, high, role


@compiled
def exact(unlearned: Values, retrained: Values, logs: Sides, out: Out) -> None:
    """As :func:`harness_evaluators._epsilon_exact.exact`."""
    epsilon, low, high, inside = out
    u_logs, r_logs = logs
    below_u = np.empty(unlearned.shape[1], np.int32)
    below_r = np.empty(retrained.shape[1], np.int32)
    for s in range(len(unlearned)):
        u, r = unlearned[s], retrained[s]
        tied = _count_below(u, r, below_u)
        tied |= _count_below(r, u, below_r)
        if tied:
            epsilon[s], low[s], high[s], inside[s] = _among_all(u, r, u_logs, r_logs)
            continue
        epsilon[s], low[s], high[s] = _of_windows(u, below_u, u_logs, r_logs)
        inside[s] = True
        best, left, right = _of_windows(r, below_r, r_logs, u_logs)
        if best > epsilon[s]:
            epsilon[s], low[s], high[s], inside[s] = best, left, right, False
