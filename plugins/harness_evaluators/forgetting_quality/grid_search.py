"""The threshold grids of the competition's released code, to the last bit, with its rules.

For one example let P be the population with the larger median (retrained if it is strictly larger, else unlearned) and
Q the other.

- *Single*: ceil(100 (hi - lo)) thresholds from the smallest to the largest value of both, evenly spaced, in single
  precision; P is predicted where phi >= t.
- *Double*: let A be the population with the smaller range w (Q if they are equal) and B the other. Right ends: from
  min A + w - 2 to max A + 2 at a step of about 0.01; for each right end r 400 left ends from r - w - 2 to r - w + 2. A is
  predicted where left <= phi <= right.
- *Guard*: if one range is less than 1 % of the other, epsilon is the cap.

The released code computes rates and logarithms in single precision; so does this module. It stops with an error if no attack
is left; here epsilon is then 0. Source: google-deepmind/unlearning_evaluation, ``metric.py`` (2024).

An epsilon depends only on the number of values on either side of a threshold. Single thresholds are therefore searched by
the gaps between values that contain one. For intervals the line is cut into cells. The counts at the edges of a cell of right
ends and of a cell of left ends bound every epsilon between them. Only pairs of cells with a bound above the best epsilon
found are searched threshold by threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import parallel
from harness_evaluators.forgetting_quality import rates
from harness_evaluators.forgetting_quality.exact_search import LEFT, RIGHT, Codes
from harness_evaluators.forgetting_quality.rates import Logs, Out, Sides

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]
Rows = NDArray[np.int64]

PER_UNIT = 100
BUFFER = 2.0
N_LEFT = 400
GUARD = 0.01
MAX_PHI = 10_000.0
"""Largest |phi| on the grid. The competition's phi is within 104; its code would run out of memory beyond this."""

FINE = 0.01
"""Width of a cell: about one threshold."""

WIDE = 16
"""Cells that share a bound."""

_N_RIGHT = 26
"""Number of wide cells of right ends, which are within 2 BUFFER."""

_N_BAND = 27
"""Number of wide cells of left ends for each of right ends."""

_PER_CELL = 18
"""Upper limit of thresholds in a wide cell."""

_ROUNDS = 4
"""Number of rounds that search the most promising pair of cells of each example before all remaining pairs."""

_BATCH = 1024
"""Pairs of cells searched at once."""


def guarded(unlearned: Values, retrained: Values) -> Flags:
    """Return a mask of examples, sorted rows (n, N), with ranges that differ too much for the grid, shape (n,)."""
    with np.errstate(over="ignore"):  # an infinite range exceeds any grid
        ranges = np.stack([side[:, -1] - side[:, 0] for side in (unlearned, retrained)])
    return np.asarray(ranges.min(axis=0) < GUARD * ranges.max(axis=0))


def retrained_is_positive(unlearned: Values, retrained: Values) -> Flags:
    """Return True for examples with the larger median among retrained models, shape (n,); sorted rows of shape (n, N)."""
    return np.asarray(_medians(retrained) > _medians(unlearned))


def official(values: Values, sides: Codes, logs: Sides, ends: bool, out: Out) -> None:
    """Attack every example with both families.

    Args:
        values: of the models that take part, sorted rows, shape (n, N).
        sides: LEFT for values of unlearned models, RIGHT for those of retrained ones, shape (n, N).
        logs: of either population's models.
        ends: return the first of equal intervals; otherwise any of them.
        out: set to the strongest attacks, thresholds before intervals.
    """
    epsilon, low, high, inside = out
    both = [values[sides == side].reshape(len(values), -1) for side in (LEFT, RIGHT)]
    positive = retrained_is_positive(*both)
    ranges = [side[:, -1] - side[:, 0] for side in both]
    narrow = np.where(positive, ranges[1] < ranges[0], ranges[0] >= ranges[1])
    for which in (0, 1):
        rows = np.flatnonzero(positive == which)
        if rows.size:
            of_p = sides[rows] == (LEFT, RIGHT)[which]
            epsilon[rows], low[rows], high[rows] = _single(values[rows], of_p, (logs[which], logs[1 - which]))
            inside[rows] = which == 0
    for which in (0, 1):
        rows = np.flatnonzero(narrow == which)
        if rows.size:
            search = _Double.of(*((both[i][rows], logs[i]) for i in (which, 1 - which)))
            search.run(epsilon[rows], ends)
            better = search.best > epsilon[rows]
            for one, found in zip((epsilon, low, high), (search.best, search.low, search.high), strict=True):
                one[rows[better]] = found[better]
            inside[rows[better]] = which == 0


def _medians(rows: Values) -> Values:
    n = rows.shape[1]
    return np.asarray((rows[:, (n - 1) // 2] + rows[:, n // 2]) / 2)


@dataclass(frozen=True)
class Thresholds:
    """The single family's thresholds of n examples: single-precision numbers, as float64.

    The lower half is counted from the lower end and the upper half from the upper one, each with one rounding of the
    fused product and sum, as in PyTorch's ``linspace`` on processors with AVX2.

    Attributes:
        start, stop: the outermost ones, shape (n,).
        count: number of thresholds, shape (n,).
        step: their distance, shape (n,); 1 if there are fewer than two.
    """

    start: Values
    stop: Values
    count: Counts
    step: Values

    @classmethod
    def between(cls, low: Values, high: Values) -> Thresholds:
        """Return the thresholds between two ends, shape (n,) each."""
        count = np.ceil((high - low) * PER_UNIT).astype(np.int64)
        start, stop = (end.astype(np.float32) for end in (low, high))
        step = (stop - start) / np.maximum(count - 1, 1).astype(np.float32)
        steps = np.where(count > 1, step.astype(np.float64), 1.0)
        return cls(start.astype(np.float64), stop.astype(np.float64), count, steps)

    def at(self, rows: Rows, index: Counts) -> Values:
        """Return thresholds by example and number, shape of both."""
        count, step = self.count[rows], self.step[rows]
        upper = (index >= count // 2) & (count > 1)
        values = np.where(upper, self.stop[rows] - step * (count - 1 - index), self.start[rows] + step * index)
        return np.asarray(values.astype(np.float32), dtype=np.float64)

    def upto(self, values: Values) -> Counts:
        """Return the number of thresholds not above each value, shape (n, k)."""
        places = (values - self.start[:, None]) / self.step[:, None]
        found = np.clip(np.floor(places) + 1, 0, self.count[:, None]).astype(np.int64)
        # Rounding moves a threshold by less than this share of a step, so only values this close need a comparison.
        near = 1e-3 + 1e-4 * (np.abs(self.start) + np.abs(self.stop))
        row, column = np.nonzero(np.abs(places - np.rint(places)) <= near[:, None])
        count, value = found[row, column], values[row, column]
        while (less := (count > 0) & (self.at(row, count - 1) > value)).any():
            count -= less
        while (more := (count < self.count[row]) & (self.at(row, count) <= value)).any():
            count += more
        found[row, column] = count
        return np.asarray(found)


def _single(values: Values, of_p: Flags, logs: Sides) -> tuple[Values, Values, Values]:
    """Return the best single thresholds: epsilon, and the interval in which P is predicted, shape (n,) each.

    Args:
        values: of both populations, sorted rows, shape (n, N).
        of_p: mask of the values of P.
        logs: of P and of Q.
    """
    n, size = values.shape
    missed = np.zeros((n, size + 1), dtype=np.int64)
    np.cumsum(of_p, axis=1, out=missed[:, 1:])
    thresholds, rows = Thresholds.between(values[:, 0], values[:, -1]), np.arange(n)
    count = thresholds.count[:, None]
    upto = np.concatenate([np.zeros_like(count), thresholds.upto(values), count], axis=1)
    found = rates.epsilons(*logs, missed, missed + (size - missed[:, -1:]) - np.arange(size + 1))
    found[upto[:, 1:] == upto[:, :-1]] = -math.inf  # no threshold lies between these two values
    best = found.argmax(axis=1)
    epsilon = np.maximum(found[rows, best], 0).astype(np.float64)
    some = epsilon > 0
    low = np.where(some, thresholds.at(rows, upto[rows, best]), math.inf)
    return epsilon, low, np.where(some, math.inf, -math.inf)


@dataclass(frozen=True)
class _Cells:
    """Sorted values counted by cells of the line.

    The computed cell of a number is monotone in the number, so rounding cannot reorder two values.

    Attributes:
        values: sorted rows, shape (n, N).
        origin: lower edge of cell 0, shape (n,).
        before: number of values before each cell, shape (n, n_cells + 1).
    """

    values: Values
    origin: Values
    before: NDArray[np.int32]

    @classmethod
    def of(cls, values: Values, origin: Values, n_wide: int) -> _Cells:
        """Count values by ``n_wide`` wide cells."""
        n_cells = n_wide * WIDE
        cells = np.clip(np.floor((values - origin[:, None]) / FINE), -1, n_cells).astype(np.int64) + 1
        cells += (n_cells + 2) * np.arange(len(values))[:, None]
        sizes = np.bincount(cells.ravel(), minlength=(n_cells + 2) * len(values)).reshape(len(values), -1)
        return cls(values, origin, sizes.cumsum(axis=1, dtype=np.int32)[:, :-1])

    @property
    def wide(self) -> NDArray[np.int32]:
        """Return the number of values before each wide cell, shape (n, n_wide + 1)."""
        return self.before[:, ::WIDE]

    def rank(self, rows: Rows, at: Values, *, equal: bool) -> Counts:
        """Return the number of values in the row below each threshold (if ``equal``: not above it); shape of both."""
        width, n_models = self.before.shape[1], self.values.shape[1]
        cells = np.floor((at - self.origin[rows]) / FINE)
        # All thresholds that matter are inside the cells. Flat indices: NumPy takes these fastest.
        low, high = (self.before.take(rows * width + np.clip(cells + i, 0, width - 1).astype(np.int64)) for i in (0, 1))
        found, first, above = low.ravel(), (rows * n_models).ravel(), np.ravel(at)
        left = np.flatnonzero(low < high)
        start, end, first, above = found[left], high.ravel()[left], first[left], above[left]
        while left.size:
            middle = (start + end) // 2
            value = self.values.take(first + middle)
            passed = value <= above if equal else value < above
            start, end = np.where(passed, middle + 1, start), np.where(passed, end, middle)
            found[left] = start
            open_ = start < end
            left, start, end, first, above = (one[open_] for one in (left, start, end, first, above))
        return np.asarray(found.reshape(low.shape), dtype=np.int64)


@dataclass(frozen=True)
class _Double:
    """A search over the double family of n examples.

    Attributes:
        sizes: models of the narrower population A and of the wider one B.
        logs: of both.
        width, first, last: range of A, and the outermost right ends, shape (n,).
        count, step: number of right ends and their distance, shape (n,).
        rights, lefts: the values of A and of B by cells of right and of left ends.
        best: the largest epsilon found, shape (n,).
        low, high: its interval, shape (n,).
        place: number of that interval in the order of the grid, shape (n,); -1 if there is none.
        cell: of its right end, shape (n,); -1 if there is none.
    """

    sizes: tuple[int, int]
    logs: Sides
    width: Values
    first: Values
    last: Values
    count: Counts
    step: Values
    rights: tuple[_Cells, _Cells]
    lefts: tuple[_Cells, _Cells]
    best: Values
    low: Values
    high: Values
    place: Counts
    cell: Counts

    @classmethod
    def of(cls, narrow: tuple[Values, Logs], wide: tuple[Values, Logs]) -> _Double:
        (a, a_logs), (b, b_logs) = narrow, wide
        width = a[:, -1] - a[:, 0]
        first, last = (a[:, 0] + width) - BUFFER, a[:, -1] + BUFFER
        count = np.ceil((last - first) * PER_UNIT).astype(np.int64)
        # Cells of left ends begin half a wide cell below the first one, so that rounding cannot leave a band.
        origin = ((first - width) - BUFFER) - WIDE * FINE / 2
        n_left = _N_RIGHT + _N_BAND
        none = np.full(len(a), math.inf)
        return cls(
            (a.shape[1], b.shape[1]),
            (a_logs, b_logs),
            width,
            first,
            last,
            count,
            (last - first) / (count - 1),
            (_Cells.of(a, first, _N_RIGHT), _Cells.of(b, first, _N_RIGHT)),
            (_Cells.of(a, origin, n_left), _Cells.of(b, origin, n_left)),
            np.zeros(len(a)),
            none,
            -none,
            np.full(len(a), -1),
            np.full(len(a), -1),
        )

    def run(self, known: Values, ends: bool) -> None:
        """Find the best intervals that exceed ``known``, shape (n,); with ``ends`` the first of equal ones."""
        self.best[:] = known
        bounds, rights = self._bounds(), np.repeat(np.arange(_N_RIGHT), _N_BAND)
        active = np.arange(len(known))
        for _ in range(_ROUNDS):
            top = bounds[active].argmax(axis=1)
            some = bounds[active, top] > self.best[active]
            active, top = active[some], top[some]
            bounds[active, top] = -math.inf
            self._search(active, rights[top], rights[top] + top % _N_BAND)
        row, pair = np.nonzero(bounds > self.best[:, None])
        order = np.argsort(-bounds[row, pair], kind="stable")
        for part in parallel.slices(len(order), _BATCH):
            mine, top = row[order[part]], pair[order[part]]
            some = bounds[mine, top] > self.best[mine]
            mine, top = mine[some], top[some]
            bounds[mine, top] = -math.inf
            self._search(mine, rights[top], rights[top] + top % _N_BAND)
        if not ends:
            return
        row, pair = np.nonzero((bounds == self.best[:, None]) & (rights <= self.cell[:, None]))
        for part in parallel.slices(len(row), _BATCH):
            mine, top = row[part], pair[part]
            self._search(mine, rights[top], rights[top] + top % _N_BAND)

    def _bounds(self) -> Values:
        """Return an upper bound of epsilon for intervals with ends in given wide cells, shape (n, _N_RIGHT * _N_BAND)."""
        cells = np.arange(_N_RIGHT)[:, None] + np.arange(_N_BAND)
        missed = self.sizes[0] - (self.rights[0].wide[:, 1:, None] - self.lefts[0].wide[:, cells])
        alarms = self.rights[1].wide[:, :-1, None] - self.lefts[1].wide[:, cells + 1]
        return self._bound(missed, alarms).reshape(len(missed), -1).astype(np.float64)

    def _bound(self, missed: Counts, alarms: Counts) -> Logs:
        """Return the largest epsilon of attacks with at least these numbers of errors, of the shape of both."""
        clipped = np.clip(missed, 1, self.sizes[0]), np.clip(alarms, 1, self.sizes[1])
        found = rates.epsilons(*self.logs, *clipped)
        found[(missed <= 0) & (alarms <= 0)] = math.inf
        return found

    def _search(self, rows: Rows, right: Counts, left: Counts) -> None:
        """Try all intervals with ends in pairs of wide cells, of one example each; an example may occur more than once."""
        k = np.floor(right * (WIDE * FINE) / self.step[rows]).astype(np.int64)[:, None] + np.arange(_PER_CELL)
        pair, offset = np.nonzero(k < self.count[rows, None])
        k, row, cell, at = k[pair, offset], rows[pair], left[pair], right[pair]
        ends = np.where(k == self.count[row] - 1, self.last[row], k * self.step[row] + self.first[row])
        upto = [cells.rank(row, ends, equal=True) for cells in self.rights]
        missed = self.sizes[0] - (upto[0] - self.lefts[0].wide[row, cell])
        there = self._bound(missed, upto[1] - self.lefts[1].wide[row, cell + 1]) >= self.best[row]
        if there.any():
            row, ends = row[there], ends[there]
            found, j, lows = self._lefts(row, cell[there], ends, [one[there] for one in upto])
            self._take(row, found, k[there] * N_LEFT + j, (lows, ends, at[there]))

    def _lefts(self, row: Rows, cell: Counts, ends: Values, upto: list[Counts]) -> tuple[Values, Counts, Values]:
        """Return the best epsilon over left ends in one wide cell for each of some right ends, its number and the left end."""
        start, stop = (ends - self.width[row]) - BUFFER, (ends - self.width[row]) + BUFFER
        steps = (stop - start) / (N_LEFT - 1)
        begin = self.lefts[0].origin[row] + cell * (WIDE * FINE)
        j = np.floor((begin - start) / steps).astype(np.int64)[:, None] + np.arange(_PER_CELL)
        lows = np.where(j == N_LEFT - 1, stop[:, None], j * steps[:, None] + start[:, None])
        lines = np.broadcast_to(row[:, None], j.shape)
        inside = [
            np.maximum(one[:, None] - cells.rank(lines, lows, equal=False), 0)
            for one, cells in zip(upto, self.lefts, strict=True)
        ]
        found = rates.epsilons(*self.logs, self.sizes[0] - inside[0], inside[1])
        found[(j < 0) | (j >= N_LEFT)] = -math.inf
        best = found.argmax(axis=1)[:, None]
        epsilon, number, low = (np.take_along_axis(one, best, axis=1)[:, 0] for one in (found, j, lows))
        return epsilon.astype(np.float64), number, low

    def _take(self, row: Rows, epsilon: Values, place: Counts, what: tuple[Values, Values, Counts]) -> None:
        """Keep the best intervals found, the first of equal ones: low end, high end and cell of the latter."""
        order = np.lexsort((place, -epsilon, row))
        firsts = order[np.unique(row[order], return_index=True)[1]]
        mine = row[firsts]
        again = (epsilon[firsts] == self.best[mine]) & (place[firsts] < self.place[mine])
        better = (epsilon[firsts] > self.best[mine]) | again
        mine, firsts = mine[better], firsts[better]
        self.best[mine], self.place[mine] = epsilon[firsts], place[firsts]
        for one, values in zip((self.low, self.high, self.cell), what, strict=True):
            one[mine] = values[firsts]
