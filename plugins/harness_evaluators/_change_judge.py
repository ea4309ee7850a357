"""What the compiled attack on pairs of models needs to know of its axes, and the memory it works in."""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from harness_evaluators import _shared

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]
Flags = NDArray[np.bool_]
Columns = tuple[int, int]

_LEAST_BITS = 6
"""Binary logarithm of the fewest buckets."""


_AFTER = np.uint64(0xFFFFFFFF00000000)
"""More than any score's key."""


def judge(
    kernels: ModuleType,
    sides: tuple[Singles, Singles],
    models: Order,
    columns: tuple[Columns, Columns],
    weights: tuple[Values, Values],
    axes: tuple[Singles, Singles],
    keep: Flags,
    compared: tuple[int, int],
    known: Values | None = None,
) -> Values:
    """AUC by feature set, then mean and share of gains, shape (n_axes, b, n_sets + 2), 0 where nothing is kept.

    Args:
        kernels: :mod:`harness_evaluators._change_judge_kernels`.
        sides: features of all pairs on forgotten and on unseen examples, shape (N, d, n) each.
        models: which pairs are attacked, shape (b,).
        columns: the first of the examples of either side that count, and the one after the last.
        weights: of those examples, summing to 1 on either side.
        axes: weights, shape (n_axes, n_sets, d), and offsets, shape (n_axes, n_sets), of the attacks.
        keep: by which attacks each pair is attacked, shape (n_axes, b).
        compared: the feature sets whose probabilities are compared, whole and base.
        known: AUC by the base, shape (n_axes, b), where somebody has found it already.
    """
    (_, n_sets, d), n = axes[0].shape, sum(map(len, weights))
    half, bits = (n + 1) // 2, max(_LEAST_BITS, n.bit_length() + 1)
    ordered = _shared.scratch("ordered", (n_sets, 2 * half), np.uint64)
    ordered[:] = np.arange(2 * half, dtype=np.uint64)
    if n % 2:
        ordered[:, -1] |= _AFTER
    space = (
        _shared.scratch("scores and features", (n_sets + d, n), np.float32),
        _shared.scratch("keys", (2, n), np.uint64),
        ordered,
        _shared.scratch("buckets", (n,), np.uint32),
        _shared.scratch("counts", (2**bits,), np.uint32),
        _shared.scratch("digits", (3, 2048), np.int32),
        np.empty((2, n_sets)),
    )
    found = np.zeros((*keep.shape, n_sets + 2))
    every, how = np.concatenate([*weights, [0.0]]), plan(axes)
    if known is not None:
        found[..., compared[1]], how[1, compared[1]] = known, -1
    kernels.judge(sides, models, columns, every, axes, keep, how, compared, space, found)
    return found


def plan(axes: tuple[Singles, Singles]) -> Order:
    """Which feature sets are a single feature, as 0 or 1, and the first set whose axes are all the same; shape (2, n_sets)."""
    weights, offsets = axes
    single = (weights != 0).sum(axis=2).max(axis=0) <= 1
    same = (weights[:, :, None] == weights[:, None]).all(axis=(0, 3)) & (offsets[:, :, None] == offsets[:, None]).all(
        axis=0
    )
    return np.stack([single, same.argmax(axis=1)]).astype(np.int64)
