"""Compiled twin of :mod:`harness_evaluators._epsilon_exact`, with equal results.

See :mod:`harness_evaluators._epsilon_kernels`.
"""

from __future__ import annotations

import math

import numpy as np

from harness_evaluators._compiled import compiled
from harness_evaluators._epsilon_count_kernels import Counts, Values, epsilon_of, rank_of, upto
from harness_evaluators._epsilon_exact import LEFT, RIGHT, Codes, Models
from harness_evaluators._epsilon_rates import CAP, Logs, Out, Sides

_NONE, _ONE = np.uint64(0), np.uint8(1)
"""Counts and codes have no sign: what has one is looked up more slowly, for it may count from the end."""


@compiled
def split(values: Values, models: Models, chosen: Codes, left: Values, right: Values) -> None:
    """As :func:`harness_evaluators._epsilon_exact.split`."""
    i = j = _NONE
    for s in range(len(values)):
        for t in range(values.shape[1]):  # without a branch that no processor could foretell
            code = chosen[models[s, t]]
            left[i] = right[j] = values[s, t]
            i += np.uint64(code & _ONE)
            j += np.uint64(code >> _ONE)


@compiled
def inside(
    values: Values, models: Models, chosen: Codes, low: Values, high: Values, out: tuple[Counts, Counts]
) -> None:
    """As :func:`harness_evaluators._epsilon_exact.inside`."""
    for s in range(len(values)):
        i = j = _NONE
        t = rank_of(values[s], low[s])
        while t < values.shape[1] and values[s, t] <= high[s]:
            code = chosen[models[s, t]]
            i += np.uint64(code & _ONE)
            j += np.uint64(code >> _ONE)
            t += 1
        out[0][s], out[1][s] = i, j


@compiled
def _count_below(models: Models, chosen: Codes, below_u: Counts, below_r: Counts) -> None:
    """Set how many of either side lie below each value of the other, and one number more that has no meaning."""
    i = j = _NONE
    for t in range(len(models)):
        code = chosen[models[t]]
        below_u[i], below_r[j] = j, i
        i += np.uint64(code & _ONE)
        j += np.uint64(code >> _ONE)


@compiled
def _values_at(values: Values, models: Models, chosen: Codes, code: int, ranks: tuple[int, int]) -> tuple[float, float]:
    """The values of two ranks, the lower one first, among those of the models with a code."""
    i, t = -1, 0
    while i < ranks[0]:
        i += chosen[models[t]] == code
        t += 1
    low = values[t - 1]
    while i < ranks[1]:
        i += chosen[models[t]] == code
        t += 1
    return low, values[t - 1]


@compiled
def _any_equal(values: Values) -> bool:
    """Whether two sorted values are equal."""
    count = 0
    for t in range(1, len(values)):
        count += values[t] == values[t - 1]
    return count > 0


@compiled
def _any_tied(values: Values, models: Models, chosen: Codes) -> bool:
    """Whether two sorted values of models that take part are equal."""
    last = math.nan
    for t in range(len(values)):
        if chosen[models[t]] != 0:
            if values[t] == last:
                return True
            last = values[t]
    return False


@compiled
def _fewest(below: Counts, size: int) -> int:
    """The fewest of B in a window over ``size`` consecutive values of A."""
    ends = below[size - 1 :]  # an index that cannot be negative lets the loop run on vectors
    fewest = np.int32(ends[0] - below[0])
    for i in range(len(ends)):
        fewest = min(fewest, np.int32(ends[i] - below[i]))
    return int(fewest)


@compiled
def _next_size(size: int, fewest: int, a_logs: Logs, b_logs: Logs, best: float, times: float) -> int:
    """The next larger number of A inside, below all, by which ``fewest`` of B inside would be better; all if none.

    More of A cannot mean fewer of B, and epsilon grows with A and falls with B: what lies between cannot be better. The
    formula, solved for the errors on A with ``times`` for e^best, gives the size but for delta and rounding.
    """
    n, rate = a_logs.shape[1] - 1, fewest / (b_logs.shape[1] - 1)
    found: int = min(max(n - int(n * max(1 - rate * times, (1 - rate) / times)), size + 1), n)
    while found < n and epsilon_of(a_logs, b_logs, n - found, fewest) <= best:
        found += 1
    while found > size + 1 and epsilon_of(a_logs, b_logs, n - found + 1, fewest) > best:
        found -= 1
    return found


@compiled
def _of_windows(below: Counts, a_logs: Logs, b_logs: Logs, best: float) -> tuple[float, int]:
    """The smallest number of A inside by which ``best`` is surpassed most, and epsilon; 0 where it is not surpassed."""
    best_size, n = 0, len(below)
    times, size = math.exp(min(best, CAP)), np.int64(1)  # a literal would have what it is passed to compiled once more
    while size <= n:
        fewest = _fewest(below, size) if size < n else below[n - 1] - below[0]
        if size < n:
            fewest = max(fewest, 1)
        found = epsilon_of(a_logs, b_logs, n - size, fewest)
        if found > best:
            best, best_size, times = found, size, math.exp(min(found, CAP))
        size = _next_size(size, fewest, a_logs, b_logs, best, times) if size < n else n + 1
    return best, best_size


@compiled
def _start_of(below: Counts, size: int) -> int:
    """Where the first window begins that holds the fewest of B."""
    start, fewest = 0, _fewest(below, size)
    while below[start + size - 1] - below[start] != fewest:
        start += 1
    return start


@compiled
def _distinct(u: Values, r: Values, ends: Values, upto_u: Counts, upto_r: Counts) -> int:
    """Set the distinct values and how many of either side lie up to each; returns their number."""
    i = j = count = np.int64(0)
    while i < len(u) or j < len(r):
        value = u[i] if j == len(r) or (i < len(u) and u[i] < r[j]) else r[j]
        i, j = upto(u, value, i), upto(r, value, j)
        ends[count], upto_u[count], upto_r[count] = value, i, j
        count += 1
    return int(count)


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
def exact(values: Values, models: Models, chosen: Codes, logs: Sides, ends: bool, out: Out) -> None:
    """As :func:`harness_evaluators._epsilon_exact.exact`."""
    epsilon, low, high, inside = out
    n_u, n_r = logs[0].shape[1] - 1, logs[1].shape[1] - 1
    below_u, below_r = np.empty(n_u + 1, np.int32), np.empty(n_r + 1, np.int32)
    u, r = np.empty(n_u + 1), np.empty(n_r + 1)
    for s in range(len(values)):
        if _any_equal(values[s]) and _any_tied(values[s], models[s], chosen):
            split(values[s : s + 1], models[s : s + 1], chosen, u, r)
            epsilon[s], low[s], high[s], inside[s] = _among_all(u[:n_u], r[:n_r], logs[0], logs[1])
            continue
        _count_below(models[s], chosen, below_u, below_r)
        first, size = _of_windows(below_u[:n_u], logs[0], logs[1], 0.0)
        epsilon[s], other_size = _of_windows(below_r[:n_r], logs[1], logs[0], first)
        inside[s] = other_size == 0
        below, code = (below_u[:n_u], LEFT) if inside[s] else (below_r[:n_r], RIGHT)
        size = size if inside[s] else other_size
        if ends and size > 0:
            start = _start_of(below, size)
            low[s], high[s] = _values_at(values[s], models[s], chosen, code, (start, start + size - 1))
