"""The search for the strongest attack misses nothing: cells bound their content, and whole grids find no more."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from harness_evaluators.forgetting_quality import exact_search, grid_search, rates, strongest_attack

Values = NDArray[np.float64]
Found = tuple[float, float, float]


def _count(values: Values, rights: Values, lefts: Values) -> NDArray[np.int64]:
    upto = np.searchsorted(values, rights, side="right")[:, None]
    return np.asarray(np.maximum(upto - np.searchsorted(values, lefts), 0))


def _all_intervals(a: Values, b: Values) -> Found:
    """Search every interval of the grid for one example, A inside; return the first of the best ones."""
    width, tables = a[-1] - a[0], [rates.logs(len(side), 1e-5, np.float32) for side in (a, b)]
    first, last = (a[0] + width) - 2.0, a[-1] + 2.0
    rights = np.linspace(first, last, math.ceil((last - first) * 100))
    lefts = np.linspace((rights - width) - 2.0, (rights - width) + 2.0, 400, axis=1)
    found = rates.epsilons(*tables, len(a) - _count(a, rights, lefts), _count(b, rights, lefts))
    best = np.unravel_index(int(found.argmax()), found.shape)
    return float(found[best]), float(lefts[best]), float(rights[best[0]])


def _all_thresholds(p: Values, q: Values) -> Found:
    """Search every single threshold of the grid for one example, P above; return the first of the best ones."""
    low, high = min(p[0], q[0]), max(p[-1], q[-1])
    grid = grid_search.Thresholds.between(np.array([low]), np.array([high]))
    index = np.arange(int(grid.count[0]))
    thresholds = grid.at(np.zeros_like(index), index)
    tables = [rates.logs(len(side), 1e-5, np.float32) for side in (p, q)]
    found = rates.epsilons(*tables, np.searchsorted(p, thresholds), len(q) - np.searchsorted(q, thresholds))
    best = int(found.argmax())
    return float(found[best]), float(thresholds[best]), math.inf


def _official(u: Values, r: Values) -> Found:
    p, q = (r, u) if np.median(r) > np.median(u) else (u, r)
    a, b = (q, p) if np.ptp(p) >= np.ptp(q) else (p, q)
    found = max([_all_thresholds(p, q), _all_intervals(a, b)], key=lambda one: one[0])
    return found if found[0] > 0 else (0.0, math.inf, -math.inf)


def _exact(u: Values, r: Values) -> Found:
    """Search all windows over the values of either population, in order."""
    found = []
    for a, b in ((u, r), (r, u)):
        tables = [rates.logs(len(side), 1e-5, np.float64) for side in (a, b)]
        below = np.searchsorted(b, a)
        for size in range(1, len(a) + 1):
            counts = below[size - 1 :] - below[: len(a) - size + 1]
            fewest = int(counts.min()) if size == len(a) else max(int(counts.min()), 1)
            epsilon = rates.epsilons(*tables, np.array([len(a) - size]), np.array([fewest]))
            start = int(counts.argmin())
            found.append((float(epsilon[0]), float(a[start]), float(a[start + size - 1])))
    best = max(found, key=lambda one: one[0])
    return best if best[0] > 0 else (0.0, math.inf, -math.inf)


@pytest.mark.parametrize("sizes", [(300, 310), (40, 40), (5, 9)])
@pytest.mark.parametrize(("scale", "shift"), [(0.03, 0.5), (1.0, 0.0), (1.0, 1.0), (1.0, 20.0), (12.0, 0.3)])
def test_the_first_of_the_best_attacks_is_found(sizes: tuple[int, int], scale: float, shift: float) -> None:
    """Of narrow and wide populations, alike, nearly apart and apart; epsilon, interval and all."""
    rng = np.random.default_rng(sizes[0])
    u, r = (
        np.sort(scale * rng.normal(loc, sd, (n, 4)), axis=0)
        for loc, sd, n in zip((shift, 0), (1.2, 1), sizes, strict=True)
    )

    for attack, plain in (("official-grid", _official), ("exact", _exact)):
        found = strongest_attack.strongest(u, r, attack, 1e-5)
        for s in range(4):
            expected = plain(u[:, s], r[:, s])
            assert found.epsilon[s] == min(expected[0], 50.0), attack
            assert (found.low[s], found.high[s]) == expected[1:], attack


@pytest.mark.parametrize("origin", [-4.0, 0.1, 3e3])
def test_values_are_ranked_on_and_beside_the_edges_of_cells(origin: float) -> None:
    """Where rounding decides on which side of an edge a number falls."""
    edges = origin + np.arange(60) * grid_search.FINE
    values = np.sort(np.concatenate([edges, np.nextafter(edges, math.inf), np.nextafter(edges[1:], -math.inf)]))[None]
    cells = grid_search._Cells.of(values, np.array([origin]), 4)
    rows = np.zeros(values.shape[1], dtype=np.int64)

    for equal, side in ((False, "left"), (True, "right")):
        assert np.array_equal(cells.rank(rows, values[0], equal=equal), np.searchsorted(values[0], values[0], side))


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0, 9_000.0])
def test_thresholds_are_counted_up_to_each_value(scale: float) -> None:
    """Also up to the thresholds themselves and their neighbours."""
    rng = np.random.default_rng(0)
    low, high = np.sort(scale * rng.uniform(-1, 1, (2, 3)), axis=0)
    grid = grid_search.Thresholds.between(low, high)
    for s in range(3):
        index = np.arange(int(grid.count[s]))
        every = grid.at(np.full_like(index, s), index)
        values = np.concatenate([every, np.nextafter(every, -math.inf), rng.uniform(low[s], high[s], 50)])[None]
        one = grid_search.Thresholds(*(part[s : s + 1] for part in vars(grid).values()))

        assert np.array_equal(one.upto(values)[0], np.searchsorted(every, values[0], side="right"))


def test_few_sizes_of_windows_stand_for_all() -> None:
    """Of so many models that most sizes are passed over."""
    rng = np.random.default_rng(1)
    below = np.sort(rng.integers(0, 700, (5, 600)), axis=1).astype(np.int32)
    tables = [rates.logs(n, 1e-5, np.float64) for n in (600, 700)]

    epsilon, size = exact_search._of_windows(below, tables[0], tables[1], np.zeros(5))

    for s in range(5):
        fewest = np.array([exact_search._fewest(below[s : s + 1], n)[0] for n in range(1, 601)])
        every = rates.epsilons(tables[0], tables[1], 600 - np.arange(1, 601), fewest)
        assert (epsilon[s], size[s]) == (max(every.max(), 0.0), every.argmax() + 1)
