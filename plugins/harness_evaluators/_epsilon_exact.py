"""The largest epsilon over all closed intervals, and so over all single thresholds; NumPy alone.

Either population may be the one predicted inside. A half-line differs from the interval that ends at the outermost value
by no model, and the two roles are the two directions of a threshold, so single thresholds are included.

Without ties it takes O(N^2) small integer operations: for each number of models of A inside, the window over A's sorted
values that holds the fewest of B is best. A window that holds none of B would be discarded, but then some interval with
as many of A holds exactly one of B: move the window towards the nearest value of B until that value is next to it, and
stretch it. So the fewest is 1 at least, unless A lies inside completely and epsilon is infinite. With ties, stretching
may take in several values at once; every pair of distinct values is tried then.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness_evaluators import _epsilon_rates
from harness_evaluators._epsilon_rates import Logs, Out, Sides

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int32]
Models = NDArray[np.uint32]
Codes = NDArray[np.uint8]

LEFT, RIGHT = 1, 2
"""Codes of the models that take part as unlearned and as retrained ones."""


def exact(values: Values, models: Models, chosen: Codes, logs: Sides, _ends: bool, out: Out) -> None:
    """Attack every example.

    Args:
        values: of all models, sorted rows, shape (n, N).
        models: whose each value is, shape (n, N).
        chosen: LEFT for models that take part as unlearned ones, RIGHT as retrained ones, else 0, shape (N,).
        logs: of either side's models.
        _ends: whether intervals are wanted beside epsilons; here they are found in any case.
        out: what is found.
    """
    epsilon, low, high, inside = out
    unlearned, retrained = (
        values[chosen[models] == side].reshape(len(values), int((chosen == side).sum())) for side in (LEFT, RIGHT)
    )
    tied = has_ties(unlearned, retrained)
    for s in np.flatnonzero(tied):
        epsilon[s], low[s], high[s], inside[s] = _among_all(unlearned[s], retrained[s], *logs)
    rows = np.flatnonzero(~tied)
    sides = [(unlearned[rows], logs[0]), (retrained[rows], logs[1])]
    if rows.size:
        _among_windows(sides, rows, out)


def split(values: Values, models: Models, chosen: Codes, left: Values, right: Values) -> None:
    """Set the values of the models on either side, in their order, row after row: n n_left and n n_right numbers, and one.

    Values, models and chosen are those of :func:`exact`. What the one number more is set to has no meaning.
    """
    for out, side in ((left, LEFT), (right, RIGHT)):
        out[:-1] = values[chosen[models] == side]


def inside(
    values: Values, models: Models, chosen: Codes, low: Values, high: Values, out: tuple[Counts, Counts]
) -> None:
    """Set how many models of either side lie in each row's closed interval, shape (n,) each."""
    within = (values >= low[:, None]) & (values <= high[:, None])
    for count, side in zip(out, (LEFT, RIGHT), strict=True):
        count[:] = (within & (chosen[models] == side)).sum(axis=1)


def has_ties(unlearned: Values, retrained: Values) -> Flags:
    """Which examples have two equal values, shape (n,)."""
    both = np.sort(np.concatenate([unlearned, retrained], axis=1), axis=1)
    return np.asarray((both[:, 1:] == both[:, :-1]).any(axis=1))


def _among_windows(sides: list[tuple[Values, Logs]], rows: NDArray[np.int64], out: Out) -> None:
    """The best window over the sorted values of either population, for examples without ties."""
    epsilon, low, high, inside = out
    below = [_below(sides[i][0], sides[1 - i][0]) for i in (0, 1)]
    found = [_of_windows(below[i], sides[i][1], sides[1 - i][1]) for i in (0, 1)]
    best = np.concatenate(found, axis=1).argmax(axis=1)
    for k, s in enumerate(rows):
        role = int(best[k] >= found[0].shape[1])
        size = int(best[k]) - role * found[0].shape[1] + 1
        value = found[role][k, size - 1]
        if value <= 0:
            epsilon[s], low[s], high[s], inside[s] = 0.0, math.inf, -math.inf, True
            continue
        counts, a = below[role][k], sides[role][0][k]
        start = int((counts[size - 1 :] - counts[: len(counts) - size + 1]).argmin())
        epsilon[s], low[s], high[s], inside[s] = value, a[start], a[start + size - 1], role == 0


def _below(a: Values, b: Values) -> Counts:
    """How many values of b lie below each value of a, row by row."""
    return np.array([np.searchsorted(other, one) for one, other in zip(a, b, strict=True)], dtype=np.int32)


def _of_windows(below: Counts, a_logs: Logs, b_logs: Logs) -> Values:
    """Epsilon by number of A inside, 1..N_A, shape (n, N_A)."""
    n = below.shape[1]
    fewest = np.full_like(below, -1)
    for size in range(1, n + 1):
        fewest[:, size - 1] = (below[:, size - 1 :] - below[:, : n - size + 1]).min(axis=1)
    fewest[:, :-1] = np.maximum(fewest[:, :-1], 1)
    missed = np.broadcast_to(n - np.arange(1, n + 1), fewest.shape)
    return np.asarray(_epsilon_rates.epsilons(a_logs, b_logs, missed, fewest), dtype=np.float64)


def _among_all(u: Values, r: Values, u_logs: Logs, r_logs: Logs) -> tuple[float, float, float, bool]:
    """The best closed interval with ends at any two distinct values, for one example."""
    distinct = np.unique(np.concatenate([u, r]))
    inside_u, inside_r = (_inside(side, distinct) for side in (u, r))
    found = np.stack(
        [
            _epsilon_rates.epsilons(u_logs, r_logs, len(u) - inside_u, inside_r),
            _epsilon_rates.epsilons(u_logs, r_logs, inside_u, len(r) - inside_r),
        ],
        axis=2,
    )
    i, j, role = np.unravel_index(int(found.argmax()), found.shape)
    if found[i, j, role] <= 0:
        return 0.0, math.inf, -math.inf, True
    return float(found[i, j, role]), float(distinct[i]), float(distinct[j]), bool(role == 0)


def _inside(values: Values, distinct: Values) -> NDArray[np.int64]:
    """How many values lie in [distinct_i, distinct_j], shape (K, K); 0 for i > j."""
    below = np.searchsorted(values, distinct)
    upto = np.searchsorted(values, distinct, side="right")
    return np.asarray(np.maximum(upto[None, :] - below[:, None], 0))
