"""The threshold grids of the competition's released code, to the last bit, with its rules.

For one example let P be the population with the larger median (retrained if it is strictly larger, else unlearned) and
Q the other.

- *Single*: ceil(100 (hi - lo)) thresholds from the smallest to the largest value of both, evenly spaced, in single
  precision; P is predicted where phi >= t.
- *Double*: let A be the population with the smaller range w (Q where they are equal) and B the other. Right ends: from
  min A + w - 2 to max A + 2 at a step of about 0.01; for each right end r 400 left ends from r - w - 2 to r - w + 2. A is
  predicted where left <= phi <= right.
- *Guard*: where one range is less than 1 % of the other, epsilon is the cap.

The released code computes rates and logarithms in single precision; so do we. It stops with an error where no attack is
left; here epsilon is then 0. Source: google-deepmind/unlearning_evaluation, ``metric.py`` (2024).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators import _epsilon_rates
from harness_evaluators._epsilon_rates import Logs, Out, Sides

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

PER_UNIT = 100
BUFFER = 2.0
N_LEFT = 400
GUARD = 0.01
MAX_PHI = 10_000.0
"""Largest |phi| on the grid. The competition's phi stays within 104; its code would run out of memory beyond this."""


def guarded(unlearned: Values, retrained: Values) -> Flags:
    """Which examples, sorted rows of shape (n, N), have ranges that differ so much that the grid is not asked."""
    with np.errstate(over="ignore"):  # an infinite range is one beyond any grid
        ranges = np.stack([side[:, -1] - side[:, 0] for side in (unlearned, retrained)])
    return np.asarray(ranges.min(axis=0) < GUARD * ranges.max(axis=0))


def retrained_is_positive(unlearned: Values, retrained: Values) -> Flags:
    """Where the retrained models' median is the larger one; sorted rows of shape (n, N)."""
    return np.asarray(_medians(retrained) > _medians(unlearned))


def single_thresholds(low: float, high: float) -> Values:
    """The single family's thresholds: single-precision numbers, as float64.

    The lower half is counted from the lower end and the upper half from the upper one, each with one rounding of the
    fused product and sum, as PyTorch's ``linspace`` does on processors since AVX2.
    """
    count = math.ceil((high - low) * PER_UNIT)
    start, stop = np.float32(low), np.float32(high)
    if count < 2:
        return np.full(count, start, dtype=np.float64)
    step = float(np.float32((stop - start) / np.float32(count - 1)))
    index = np.arange(count)
    values = np.where(index < count // 2, start + step * index, stop - step * (count - 1 - index))
    return np.asarray(values.astype(np.float32), dtype=np.float64)


def right_ends(a: Values) -> Values:
    """The double family's right ends for sorted values of the narrower population."""
    width = a[-1] - a[0]
    first, last = (a[0] + width) - BUFFER, a[-1] + BUFFER
    return np.asarray(np.linspace(first, last, math.ceil((last - first) * PER_UNIT)))


def left_ends(rights: Values, width: float, values: Values) -> Values:
    """For every right end, in ascending order, the left ends at which a count of ``values`` may change.

    Shape (n_rights, n), with n = N_LEFT for all left ends, or fewer where there are fewer values: then the first of all
    and, for each value, the first above it.
    """
    starts, stops = ((rights - width) - BUFFER)[:, None], ((rights - width) + BUFFER)[:, None]
    steps = (stops - starts) / (N_LEFT - 1)

    def at(index: Values) -> Values:
        return np.asarray(np.where(index >= N_LEFT - 1, stops, index * steps + starts))

    if len(values) >= N_LEFT // 2:
        return at(np.arange(N_LEFT, dtype=np.float64))
    index = np.floor((values - starts) / steps).clip(0, N_LEFT - 1)
    for _ in range(2):
        index = np.minimum(index + (at(index) <= values), N_LEFT - 1)
    index = np.sort(np.concatenate([np.zeros_like(starts), index], axis=1), axis=1)
    return at(index)


def official(
    unlearned: Values, retrained: Values, retrained_positive: Flags, logs: Sides, _ends: bool, out: Out
) -> None:
    """Attack every example with both families; NumPy alone.

    Args:
        unlearned: sorted rows, shape (n, N_unlearned).
        retrained: sorted rows, shape (n, N_retrained).
        retrained_positive: shape (n,).
        logs: of either side's models.
        _ends: whether the first of the strongest intervals is wanted, not just any; here it is found in any case.
        out: what is found.
    """
    epsilon, low, high, inside = out
    for s in range(len(unlearned)):
        u, r = (unlearned[s], logs[0]), (retrained[s], logs[1])
        p, q = (r, u) if retrained_positive[s] else (u, r)
        a, b = (q, p) if p[0][-1] - p[0][0] >= q[0][-1] - q[0][0] else (p, q)
        found = [(*_single(p, q), p is u), (*_double(a, b), a is u)]
        epsilon[s], low[s], high[s], inside[s] = max(found, key=lambda one: one[0])


def _medians(rows: Values) -> Values:
    n = rows.shape[1]
    return np.asarray((rows[:, (n - 1) // 2] + rows[:, n // 2]) / 2)


def _single(positive: tuple[Values, Logs], other: tuple[Values, Logs]) -> tuple[float, float, float]:
    """The best single threshold: epsilon, and the interval in which P is predicted."""
    (p, p_logs), (q, q_logs) = positive, other
    thresholds = single_thresholds(min(p[0], q[0]), max(p[-1], q[-1]))
    false_alarms = len(q) - np.searchsorted(q, thresholds)
    found = _epsilon_rates.epsilons(p_logs, q_logs, np.searchsorted(p, thresholds), false_alarms)
    best = int(found.argmax()) if found.size else 0
    if not found.size or found[best] <= 0:
        return 0.0, math.inf, -math.inf
    return float(found[best]), float(thresholds[best]), math.inf


def _double(narrow: tuple[Values, Logs], wide: tuple[Values, Logs]) -> tuple[float, float, float]:
    """The best interval of the grid: epsilon, and its ends."""
    (a, a_logs), (b, b_logs) = narrow, wide
    rights = right_ends(a)
    lefts = left_ends(rights, a[-1] - a[0], np.concatenate([a, b]))
    missed = len(a) - _inside(a, rights, lefts)
    found = _epsilon_rates.epsilons(a_logs, b_logs, missed, _inside(b, rights, lefts))
    best = np.unravel_index(int(found.argmax()), found.shape)
    if found[best] <= 0:
        return 0.0, math.inf, -math.inf
    return float(found[best]), float(lefts[best]), float(rights[best[0]])


def _inside(values: Values, rights: Values, lefts: Values) -> NDArray[np.int64]:
    """How many of the sorted values lie in each closed interval, shape of ``lefts``."""
    upto = np.searchsorted(values, rights, side="right")[:, None]
    return np.asarray(np.maximum(upto - np.searchsorted(values, lefts), 0))
