"""Two-sample Kolmogorov-Smirnov distances and Wasserstein-1 distances of many examples at once.

Arrays hold one column per example. Sources: Vallender, "Calculation of the Wasserstein distance between probability
distributions on the line" (1974); the exact distribution of D under the null: :mod:`harness_evaluators._ks_null`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from harness_evaluators import _example_noise, _shared
from harness_evaluators._bootstrap import Linear

Values = NDArray[np.float64]
Numbers = NDArray[np.floating]

Flags = NDArray[np.bool_]

COLUMNS = 256
"""Most columns that the noise is estimated from; they leave a correlation uncertain by 0.06."""

_BLOCK = 50_000
"""Most numbers compared at once."""


@dataclass(frozen=True)
class Compared:
    """Two samples of every column.

    Attributes:
        signed: D = sup |F_left - F_right| with the sign of F_left - F_right where it is reached, shape (n,).
        mean: of D over columns; a model contributes by what it adds to the gap at the point where D is reached, scaled to
            the noise that :mod:`harness_evaluators._example_noise` describes.
    """

    signed: Values
    mean: Linear


@dataclass(frozen=True)
class Turned:
    """Columns of (N, n) as rows.

    Attributes:
        values: as they are, shape (n, N).
        ordered: sorted, without the last bit of each number, and infinity at the end, shape (n, N + 1).
    """

    values: Numbers
    ordered: Values


def distances(left: Numbers, right: Numbers) -> tuple[Values, Values]:
    """D = sup |F_left - F_right| for every column of (m, n) and (N, n), and a point where it is reached, with D's sign.

    Returns:
        D with the sign of F_left - F_right there, shape (n,), and the points, shape (n,); |D| is the distance.
    """
    m, n = len(left), len(right)
    ordered, is_left = _merge(left, right)
    gaps = np.cumsum(np.where(is_left, n, -m), axis=1)
    # Within a tie both distribution functions jump at once: only its last position counts.
    gaps[:, :-1][ordered[:, 1:] == ordered[:, :-1]] = 0
    at = np.abs(gaps).argmax(axis=1)[:, None]
    signed = np.take_along_axis(gaps, at, axis=1)[:, 0] / (m * n)
    return signed, np.take_along_axis(ordered, at, axis=1)[:, 0]


def compared(left: Numbers, right: Numbers) -> Compared:
    """Distances of every column of (m, n) and (N, n), and their mean."""
    return each_compared({"": left}, right)[""]


def each_compared(lefts: Mapping[str, Numbers], right: Numbers) -> dict[str, Compared]:
    """:func:`compared` for several populations against one, whose columns are then sorted once."""
    columns, size = right.shape[1], sum(left.size for left in lefts.values())
    kernels = _shared.kernels("_ks_kernels", size + right.size)
    signed = {name: _shared.unfilled(columns) for name in lefts}

    def work(chosen: slice) -> dict[str, tuple[Values, Values]]:
        if kernels is None:
            block = np.asarray(right[:, chosen], dtype=np.float64)
            return {name: _distances(left[:, chosen], block, signed[name][chosen]) for name, left in lefts.items()}
        other = _turned(right[:, chosen])
        return {
            name: _compiled_distances(kernels, _turned(left[:, chosen]), other, signed[name][chosen])
            for name, left in lefts.items()
        }

    parts = _shared.in_threads(work, _shared.slices(columns, _BLOCK // (max(map(len, lefts.values())) + len(right))))
    found = {}
    for name, distance in signed.items():
        one, other = (np.sum([part[name][i] for part in parts], axis=0) / columns for i in (0, 1))
        mean = Linear(float(np.abs(distance).mean()), one, -other)
        found[name] = Compared(distance, _with_noise(mean, lefts[name], right, distance))
    return found


def _with_noise(mean: Linear, left: Numbers, right: Numbers, signed: Values) -> Linear:
    """The mean D with its noise corrected, from at most COLUMNS columns; the first-order variance of D is that of two shares."""
    some = _example_noise.columns(len(signed), COLUMNS)
    one, other = (np.asarray(side[:, some], dtype=np.float64) for side in (left, right))
    points = _upto(distances(one, other)[1])
    shares = [((side <= points).mean(axis=0), len(side)) for side in (one, other)]
    first_order = float(sum((share * (1 - share) / max(size - 1, 1)).mean() for share, size in shares))

    def values(first: Flags, second: Flags) -> Values:
        return np.abs(distances(one[first], other[second])[0])[None]

    reliable = _example_noise.reliabilities(len(one), len(other), values)[0]
    return _example_noise.corrected(mean, np.abs(signed), float(reliable), first_order)


def _distances(left: Numbers, right: Values, out: Values) -> tuple[Values, Values]:
    """Set the signed distances of a block of columns; how both sides' models contribute to their sum."""
    one = np.asarray(left, dtype=np.float64)
    out[:], points = distances(one, right)
    points = _upto(points)
    sign = np.sign(out)
    return np.asarray((one <= points) @ sign), np.asarray((right <= points) @ sign)


def _upto(points: Values) -> Values:
    """The largest numbers that are equal to ``points`` but for their last bit, which is 0 in these."""
    return np.where(points > 0, np.nextafter(points, np.inf), points)


def _compiled_distances(kernels: ModuleType, left: Turned, right: Turned, out: Values) -> tuple[Values, Values]:
    """As :func:`_distances`."""
    points = _shared.unfilled(len(out))
    kernels.set_distances(left.ordered, right.ordered, out, points)
    points = _upto(points)
    contributions = [np.zeros(side.values.shape[1], dtype=np.int32) for side in (left, right)]
    for side, contribution in zip((left, right), contributions, strict=True):
        kernels.add_contributions(side.values, out, points, contribution)
    out /= contributions[0].size * contributions[1].size
    return contributions[0].astype(np.float64), contributions[1].astype(np.float64)


def _turned(values: Numbers) -> Turned:
    turned = np.ascontiguousarray(values.T, dtype=np.float32 if values.dtype == np.float32 else np.float64)
    found = _shared.unfilled((len(turned), turned.shape[1] + 1))
    found[:, -1] = np.inf
    if turned.dtype == np.float32:
        found[:, :-1] = np.sort(turned, axis=1)
    else:
        found[:, :-1] = turned
        bits = found.view(np.int64)
        bits &= -2
        found[:, :-1].sort(axis=1)
    return Turned(turned, found)


def mean_distance(left: Numbers, right: Numbers) -> Linear:
    """Mean D over examples, see :class:`Compared`."""
    return compared(left, right).mean


def mean_wasserstein(left: Values, right: Values, scale: Values) -> Linear:
    """Mean over examples of the Wasserstein-1 distance, int |F_left - F_right|, in units of ``scale``, shape (n,).

    Models contribute to the distance, and retrained ones to the scale, which is taken for their standard deviation: its
    relative change is half that of the variance. The noise is then corrected as that of D is.
    """
    distance, first = _wasserstein_of(left, right, scale)
    by_scale = _by_scale(right, scale, distance)
    mean = Linear(first.value, first.left, None if first.right is None else first.right - by_scale)
    some = _example_noise.columns(len(scale), COLUMNS)
    one, other, unit = left[:, some], right[:, some], scale[some]

    def values(mine: Flags, theirs: Flags) -> Values:
        return _wasserstein(one[mine], other[theirs], unit)[0][None]

    reliable = float(_example_noise.reliabilities(len(one), len(other), values)[0])
    tails = _tails(one, other, unit)
    return _example_noise.corrected(
        mean, distance, reliable, float(sum(np.var(side, axis=0, ddof=1).mean() / len(side) for side in tails))
    )


def _by_scale(right: Values, scale: Values, distance: Values) -> Values:
    """How the retrained models move the mean distance through the scale, shape (N,).

    One scale for all columns moves them together, one for each moves them apart.
    """
    squares = (right - right.mean(axis=0)) ** 2
    if np.ptp(scale) == 0:
        return np.asarray(distance.mean() * (squares.mean(axis=1) / scale[0] ** 2 - 1) / 2)
    return np.asarray(((squares / scale**2 - 1) / 2 * distance).mean(axis=1))


def _wasserstein_of(left: Values, right: Values, scale: Values) -> tuple[Values, Linear]:
    """The distance of every column, and their mean with what models contribute to the distance."""
    columns = left.shape[1]
    if compiled := _shared.kernels("_ks_kernels", left.size + right.size):
        return _compiled_wasserstein(compiled, (left, right), scale)

    def work(chosen: slice) -> tuple[Values, Values]:
        distance, tails = _wasserstein(left[:, chosen], right[:, chosen], scale[chosen])
        return distance, tails.sum(axis=0)

    parts = _in_blocks(work, len(left) + len(right), columns)
    distance = np.concatenate([part[0] for part in parts])
    contributions = np.asarray(sum(part[1] for part in parts)) / columns
    return distance, Linear(float(distance.mean()), contributions[: len(left)], -contributions[len(left) :])


def _tails(left: Values, right: Values, scale: Values) -> tuple[Values, Values]:
    """What every model contributes to the distance of every column, shape (m, n) and (N, n)."""
    tails = _wasserstein(left, right, scale)[1]
    return tails[:, : len(left)].T, tails[:, len(left) :].T


def _compiled_wasserstein(kernels: ModuleType, sides: tuple[Values, Values], scale: Values) -> tuple[Values, Linear]:
    distance = _shared.unfilled(len(scale))

    def work(chosen: slice) -> tuple[Values, Values]:
        one, other = (_ranked_columns(side[:, chosen]) for side in sides)
        out = np.zeros(len(sides[0])), np.zeros(len(sides[1]))
        kernels.add_wasserstein(one, other, scale[chosen], distance[chosen], out)
        return out

    parts = _in_blocks(work, len(sides[0]) + len(sides[1]), len(scale))
    one, other = (np.sum([part[i] for part in parts], axis=0) / len(scale) for i in (0, 1))
    return distance, Linear(float(distance.mean()), one, -other)


def _ranked_columns(values: Values) -> tuple[Values, NDArray[np.int32]]:
    """Sorted columns of (N, n) as rows, and whose each value is, shape (n, N) each."""
    turned = np.ascontiguousarray(values.T)
    order = turned.argsort(axis=1)
    return np.take_along_axis(turned, order, axis=1), order.astype(np.int32)


def _wasserstein(left: Values, right: Values, scale: Values) -> tuple[Values, Values]:
    """The distance of every column, shape (n,), and both sides' contributions to it, shape (n, m + N)."""
    both = np.concatenate([left, right]).T / scale[:, None]
    order = np.argsort(both, axis=1, kind="stable")
    ordered = np.take_along_axis(both, order, axis=1)
    gaps = np.cumsum(np.where(order < len(left), 1 / len(left), -1 / len(right)), axis=1)[:, :-1]
    # With equal sizes the functions touch, and rounding must not pass for a sign.
    gaps[np.abs(gaps) < 1e-12] = 0
    steps = np.diff(ordered, axis=1)
    after = np.cumsum((np.sign(gaps) * steps)[:, ::-1], axis=1)[:, ::-1]
    tails = np.zeros_like(both)
    np.put_along_axis(tails, order[:, :-1], after, axis=1)
    return (np.abs(gaps) * steps).sum(axis=1), tails


def _in_blocks(work: Callable[[slice], tuple[Values, Values]], rows: int, columns: int) -> list[tuple[Values, Values]]:
    """``work`` on blocks of columns that stay near the processor."""
    return _shared.in_threads(work, _shared.slices(columns, _BLOCK // rows))


def _merge(left: Numbers, right: Numbers) -> tuple[Values, NDArray[np.bool_]]:
    """Both samples of every column sorted together, shape (n, m + N), and which values are of the left one.

    The origin travels in the last bit of each number: one sort in place of an indirect one. Values that differ in that
    bit alone count as tied.
    """
    both = np.concatenate([left, right]).T.astype(np.float64, order="C")
    bits = both.view(np.int64)
    bits &= -2
    bits[:, : len(left)] |= 1
    both.sort(axis=1)
    is_left = (bits & 1).astype(np.bool_)
    bits &= -2
    return both, is_left
