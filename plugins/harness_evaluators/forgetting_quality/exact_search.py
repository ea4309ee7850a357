"""The largest epsilon over all closed intervals, and so over all single thresholds.

Either population may be the one predicted inside (A). A half-line contains the same models as the interval that ends at the
outermost value, and the two roles are the two directions of a threshold, so single thresholds are included.

Without ties the search takes O(N^2) small integer operations: for each number of models of A inside, the window over A's
sorted values with the fewest of B is best. A window without any of B would be discarded, but then some interval with as many
of A holds exactly one of B: move the window towards the nearest value of B until they are adjacent, and extend it. So the
fewest is at least 1, unless A is completely inside and epsilon is infinite. With ties, extending the window may add several
values at once; then every pair of distinct values is tried.

More of A inside cannot mean fewer of B. The counts of windows of one size therefore bound the epsilon of larger sizes. A few
sizes are evaluated first, and those between two of them only if the bound exceeds the best one found.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.forgetting_quality import rates
from harness_evaluators.forgetting_quality.rates import Logs, Out, Sides

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.signedinteger]
Codes = NDArray[np.uint8]

LEFT, RIGHT = 1, 2
"""Codes of the models that take part as unlearned and as retrained ones."""

_SIZES = 32
"""Target number of window sizes that are evaluated first."""


def exact(values: Values, sides: Codes, logs: Sides, out: Out) -> None:
    """Attack every example.

    Args:
        values: of the models that take part, sorted rows, shape (n, N).
        sides: LEFT for values of unlearned models, RIGHT for those of retrained ones, shape (n, N).
        logs: of either side's models.
        out: set to the strongest attacks.
    """
    epsilon, low, high, inside = out
    n, sizes = len(values), [table.shape[1] - 1 for table in logs]
    ours = [sides == side for side in (LEFT, RIGHT)]
    both = [values[of].reshape(n, size) for of, size in zip(ours, sizes, strict=True)]
    dtype = np.int16 if values.shape[1] < np.iinfo(np.int16).max else np.int32
    before = [of.cumsum(axis=1, dtype=dtype) for of in ours]
    below = [before[1 - i][ours[i]].reshape(n, sizes[i]) for i in (0, 1)]
    first, first_size = _of_windows(below[0], *logs, np.zeros(n))
    epsilon[:], size = _of_windows(below[1], *logs[::-1], first)
    inside[:] = size == 0
    for role, chosen in enumerate((first_size * (size == 0), size)):
        for s in np.flatnonzero(chosen):
            start, end = _window(below[role][s], int(chosen[s]))
            low[s], high[s] = both[role][s, start], both[role][s, end]
    for s in np.flatnonzero((values[:, 1:] == values[:, :-1]).any(axis=1)):
        epsilon[s], low[s], high[s], inside[s] = _among_all(both[0][s], both[1][s], *logs)


def _fewest(below: Counts, size: int) -> Counts:
    """Return the fewest of B in a window over ``size`` consecutive values of A, shape (n,)."""
    n = below.shape[1]
    found = (below[:, size - 1 :] - below[:, : n - size + 1]).min(axis=1)
    return np.asarray(found if size == n else np.maximum(found, 1))


def _window(below: Counts, size: int) -> tuple[int, int]:
    """Return the ends of the first window of a size with the fewest of B, for one example."""
    start = int((below[size - 1 :] - below[: len(below) - size + 1]).argmin())
    return start, start + size - 1


def _of_windows(below: Counts, a_logs: Logs, b_logs: Logs, known: Values) -> tuple[Values, NDArray[np.int64]]:
    """Return the largest epsilon, at least ``known``, and the smallest number of A inside that exceeds ``known``.

    Args:
        below: number of values of B below each of A, shape (n, N_A).
        a_logs: of the models of A.
        b_logs: of the models of B.
        known: epsilon to exceed, shape (n,).

    Returns:
        shape (n,) each; the number is 0 if ``known`` is not exceeded.
    """
    n = below.shape[1]
    sizes = np.unique(np.append(np.arange(1, n, max(1, n // _SIZES)), n))
    fewest = np.stack([_fewest(below, size) for size in sizes], axis=1)

    def reached(size: NDArray[np.int64] | int, fewest: Counts) -> Values:
        missed = np.broadcast_to(np.asarray(n - size), fewest.shape)
        return np.asarray(rates.epsilons(a_logs, b_logs, missed, fewest), dtype=np.float64)

    found = reached(sizes, fewest)
    best, best_size = known.copy(), np.zeros(len(below), dtype=np.int64)
    at = found.argmax(axis=1)
    better = found[np.arange(len(below)), at] > best
    best[better], best_size[better] = found[better, at[better]], sizes[at[better]]
    bounds = reached(np.maximum(sizes[1:] - 1, 1), fewest[:, :-1])
    for i in np.flatnonzero(np.diff(sizes) > 1):
        rows = np.flatnonzero((bounds[:, i] > best) | ((bounds[:, i] == best) & (sizes[i] < best_size)))
        some = below[rows]
        for size in range(sizes[i] + 1, sizes[i + 1]) if rows.size else ():
            value = reached(size, _fewest(some, size))
            more = (value > best[rows]) | ((value == best[rows]) & (size < best_size[rows]))
            best[rows[more]], best_size[rows[more]] = value[more], size
    return best, best_size


def _among_all(u: Values, r: Values, u_logs: Logs, r_logs: Logs) -> tuple[float, float, float, bool]:
    """Return the best closed interval with ends at any two distinct values, for one example."""
    distinct = np.unique(np.concatenate([u, r]))
    inside_u, inside_r = (_inside(side, distinct) for side in (u, r))
    found = np.stack(
        [
            rates.epsilons(u_logs, r_logs, len(u) - inside_u, inside_r),
            rates.epsilons(u_logs, r_logs, inside_u, len(r) - inside_r),
        ],
        axis=2,
    )
    i, j, role = np.unravel_index(int(found.argmax()), found.shape)
    if found[i, j, role] <= 0:
        return 0.0, math.inf, -math.inf, True
    return float(found[i, j, role]), float(distinct[i]), float(distinct[j]), bool(role == 0)


def _inside(values: Values, distinct: Values) -> NDArray[np.int64]:
    """Return the number of values in [distinct_i, distinct_j], shape (K, K); 0 for i > j."""
    below = np.searchsorted(values, distinct)
    upto = np.searchsorted(values, distinct, side="right")
    return np.asarray(np.maximum(upto[None, :] - below[:, None], 0))
