"""Compiled twin of :mod:`harness_evaluators._epsilon_exact`, with equal results.

See :mod:`harness_evaluators._epsilon_kernels`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled
from harness_evaluators._epsilon_kernels import Best, Counts, Flags, Values, count_inside, epsilon_of, just_below, upto
from harness_evaluators._epsilon_rates import Logs, Out, Sides

Models = NDArray[np.int32]


@compiled
def kept(values: Values, models: Models, keep: Flags, out: Values) -> None:
    """As :func:`harness_evaluators._epsilon_exact.kept`."""
    for s in range(len(values)):
        i = count = 0
        while count < out.shape[1]:  # without a branch that no processor could foretell
            out[s, count] = values[s, i]
            count += keep[models[s, i]]
            i += 1


@compiled
def inside(values: Values, low: Values, high: Values, out: Counts) -> None:
    """As :func:`harness_evaluators._epsilon_exact.inside`."""
    for s in range(len(values)):
        count = 0
        for i in range(values.shape[1]):
            count += (low[s] <= values[s, i]) & (values[s, i] <= high[s])
        out[s] = count


@compiled
def _count_below(u: Values, r: Values, below_u: Counts, below_r: Counts) -> bool:
    """Set how many of either side lie below each value of the other; whether any two of all values are equal."""
    i = j = 0
    tied = False
    while i < len(u) and j < len(r):  # without a branch that no processor could foretell
        first = u[i] < r[j]
        tied |= u[i] == r[j]
        below_u[i], below_r[j] = j, i
        i += first
        j += not first
    below_u[i:], below_r[j:] = j, i
    for i in range(1, len(u)):
        tied |= u[i] == u[i - 1]
    for j in range(1, len(r)):
        tied |= r[j] == r[j - 1]
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
def _next_size(size: int, fewest: int, a_logs: Logs, b_logs: Logs, best: float) -> int:
    """The next larger number of A inside, below all, by which ``fewest`` of B inside would be better; all if none.

    More of A cannot mean fewer of B, and epsilon grows with A and falls with B: what lies between cannot be better.
    """
    low, high = size + 1, a_logs.shape[1] - 1
    while low < high:
        middle = (low + high) // 2
        if epsilon_of(a_logs, b_logs, a_logs.shape[1] - 1 - middle, fewest) > best:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def _of_windows(a: Values, below: Counts, a_logs: Logs, b_logs: Logs, best: float) -> Best:
    """The smallest number of A inside by which ``best`` is surpassed most, as epsilon and a window's ends."""
    best_size, n = 0, len(a)
    size = 1
    while size <= n:
        fewest = _fewest(below, size) if size < n else below[n - 1] - below[0]
        if size < n:
            fewest = max(fewest, 1)
        found = epsilon_of(a_logs, b_logs, n - size, fewest)
        if found > best:
            best, best_size = found, size
        size = _next_size(size, fewest, a_logs, b_logs, best) if size < n else n + 1
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
        i, j = upto(u, value, i), upto(r, value, j)
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
            found = epsilon_of(u_logs, r_logs, len(u) - inside_u, inside_r)
            if found > best:
                best, low, high, role = found, ends[i], ends[j], True
            found = epsilon_of(u_logs, r_logs, inside_u, len(r) - inside_r)
            if found > best:
                best, low, high, role = found, ends[i], ends[j], False
    return best, low, high, role


@compiled
def exact(unlearned: Values, retrained: Values, logs: Sides, out: Out) -> None:
    """As :func:`harness_evaluators._epsilon_exact.exact`; what ``out`` holds as intervals is where to begin."""
    epsilon, low, high, inside = out
    u_logs, r_logs = logs
    below_u = np.empty(unlearned.shape[1], np.int32)
    below_r = np.empty(retrained.shape[1], np.int32)
    for s in range(len(unlearned)):
        u, r = unlearned[s], retrained[s]
        if _count_below(u, r, below_u, below_r):
            epsilon[s], low[s], high[s], inside[s] = _among_all(u, r, u_logs, r_logs)
            continue
        inside_u, inside_r = count_inside(u, low[s], high[s]), count_inside(r, low[s], high[s])
        reached = just_below(epsilon_of(u_logs, r_logs, len(u) - inside_u, inside_r))
        epsilon[s], low[s], high[s] = _of_windows(u, below_u, u_logs, r_logs, max(0.0, reached))
        if low[s] > high[s]:
            epsilon[s] = 0.0
        inside[s] = True
        reached = just_below(epsilon_of(r_logs, u_logs, len(r) - inside_r, inside_u))
        best, left, right = _of_windows(r, below_r, r_logs, u_logs, max(epsilon[s], reached))
        if left <= right and best > epsilon[s]:
            epsilon[s], low[s], high[s], inside[s] = best, left, right, False
