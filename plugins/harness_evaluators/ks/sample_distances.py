"""Two-sample Kolmogorov-Smirnov distances and Wasserstein-1 distances of many examples at once.

Arrays hold one column per example. Sources: Vallender, "Calculation of the Wasserstein distance between probability
distributions on the line" (1974); the exact distribution of D under the null: :mod:`harness_evaluators.ks.null_distribution`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import half_samples, mean_shift, parallel
from harness_evaluators.common.bootstrap import Linear
from harness_evaluators.common.ks_distance import distances as distances

Values = NDArray[np.float64]
Numbers = NDArray[np.floating]

Flags = NDArray[np.bool_]

_BLOCK = 50_000
"""Most numbers compared at once."""


@dataclass(frozen=True)
class Compared:
    """Two samples of every column, compared.

    Attributes:
        signed: D = sup |F_left - F_right| with the sign of F_left - F_right at the supremum, shape (n,).
        mean: of D over columns, with the noise from half samples.
    """

    signed: Values
    mean: Linear


def compared(left: Numbers, right: Numbers) -> Compared:
    """Return the distances of every column of (m, n) and (N, n), and their mean."""
    return each_compared({"": left}, right)[""]


def each_compared(lefts: Mapping[str, Numbers], right: Numbers) -> dict[str, Compared]:
    """Return :func:`compared` of several populations with one."""
    columns = right.shape[1]
    signed = {name: parallel.unfilled(columns) for name in lefts}

    def work(chosen: slice) -> None:
        for name, left in lefts.items():
            signed[name][chosen] = distances(left[:, chosen], right[:, chosen])

    parallel.in_threads(work, parallel.slices(columns, _BLOCK // (max(map(len, lefts.values())) + len(right))))
    return {
        name: Compared(distance, Linear(float(np.abs(distance).mean()), deviations=_noise(lefts[name], right)))
        for name, distance in signed.items()
    }


def _noise(left: Numbers, right: Numbers) -> Values | None:
    """Return deviations of the mean D between halves of the models, shape (HALVINGS,); None for few models."""
    some = half_samples.columns(right.shape[1])
    one, other = (np.asarray(side[:, some], dtype=np.float64) for side in (left, right))
    found = half_samples.deviations(
        (len(one), len(other)), lambda mine, theirs: np.abs(distances(one[mine], other[theirs]))
    )
    return half_samples.of_mean(found, right.shape[1])


def mean_wasserstein(left: Values, right: Values, scale: Values) -> Linear:
    """Return the mean over examples of the Wasserstein-1 distance, int |F_left - F_right|, in units of ``scale``, shape (n,).

    The scale is that of :func:`harness_evaluators.common.mean_shift.spread`, estimated anew for halves of the models.
    """
    some = half_samples.columns(len(scale))
    one, other, from_size = left[:, some], right[:, some], mean_shift.rule(scale)

    def of_halves(mine: Flags, theirs: Flags) -> Values:
        return wasserstein(one[mine], other[theirs]) / mean_shift.spread(other[theirs], from_size)

    found = half_samples.deviations((len(left), len(right)), of_halves)
    value = float((wasserstein(left, right) / scale).mean())
    return Linear(value, deviations=half_samples.of_mean(found, len(scale)))


def wasserstein(left: Values, right: Values) -> Values:
    """Return the Wasserstein-1 distance of every column of (m, n) and (N, n), shape (n,)."""
    if len(left) == len(right):
        return np.asarray(np.abs(np.sort(left, axis=0) - np.sort(right, axis=0)).mean(axis=0))
    both = np.concatenate([left, right])
    order = both.argsort(axis=0)
    gaps = np.cumsum(np.where(order < len(left), 1 / len(left), -1 / len(right)), axis=0)[:-1]
    return np.asarray((np.abs(gaps) * np.diff(np.take_along_axis(both, order, axis=0), axis=0)).sum(axis=0))
