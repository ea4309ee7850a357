"""Bounds of the compiled search for the strongest attack on the grid hold, and are hardly more than what is reached."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness_evaluators import _epsilon, _epsilon_rates

pytest.importorskip("numba")


@pytest.mark.parametrize("sizes", [(2, 2), (37, 512), (512, 37), (3000, 3000)])
@pytest.mark.parametrize("delta", [0.0, 1e-5, 0.2])
def test_a_bound_is_never_below_epsilon_and_hardly_above_it(sizes: tuple[int, int], delta: float) -> None:
    from harness_evaluators import _epsilon_cell_kernels as cells

    rng = np.random.default_rng(sizes[0])
    errors = [np.append(rng.integers(1, n + 1, 400), [1, n]) for n in sizes]
    logs = [_epsilon_rates.logs(n, delta, np.float32) for n in sizes]
    epsilon = np.maximum(_epsilon_rates.epsilons(logs[0], logs[1], *errors), 0)
    bounds = np.empty(len(epsilon), np.float32)

    cells.set_bounds(errors[0].astype(np.float32), -errors[1].astype(np.float32), (0, 0), sizes, bounds)

    assert all(bound >= cells.limit_of(one) for bound, one in zip(bounds, epsilon, strict=True) if one > 0)
    if delta == 0:
        resolved = (errors[0] < sizes[0]) & (errors[1] < sizes[1]) & (epsilon > 0)
        assert np.log(bounds[resolved]) == pytest.approx(epsilon[resolved], abs=1e-5 * max(sizes) + 1e-5)


def test_a_bound_is_infinite_only_where_no_error_is_certain() -> None:
    from harness_evaluators import _epsilon_cell_kernels as cells

    bounds = np.empty(4, np.float32)

    cells.set_bounds(np.array([0, 1, 0, 0], np.float32), np.array([5, 5, 4, 9], np.float32), (0, 5), (8, 8), bounds)

    assert np.isinf(bounds).tolist() == [True, False, False, True]


@pytest.mark.parametrize("origin", [-4.0, 0.1, 3e3])
def test_values_are_counted_before_each_cell_as_each_was_placed(origin: float) -> None:
    """On and beside edges of cells, where rounding decides."""
    from harness_evaluators import _epsilon_cell_kernels as cells

    edges = origin + np.arange(40) / cells.PER_CELL
    values = np.sort(np.concatenate([edges, np.nextafter(edges, math.inf), np.nextafter(edges[1:], -math.inf)]))
    placed = [cells.cell_of(value, origin) for value in values]
    counts = np.empty(43, np.float32)

    cells.set_cells(values, origin, counts)

    assert placed == sorted(placed)
    assert counts.tolist() == [float(np.sum(np.array(placed) < c)) for c in range(43)]


@pytest.mark.parametrize("attack", _epsilon.ATTACKS)
@pytest.mark.parametrize(("scale", "shift"), [(0.03, 0.5), (1.0, 0.0), (1.0, 4.0), (1.0, 20.0), (12.0, 0.3)])
def test_large_populations_are_attacked_as_by_the_definition(
    attack: _epsilon.AttackName, scale: float, shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very same attacks, of narrow and wide populations, alike, nearly apart and apart."""
    rng = np.random.default_rng(0)
    unlearned, retrained = scale * rng.normal(shift, 1.2, (300, 6)), scale * rng.standard_normal((310, 6))
    _epsilon.kernels.cache_clear()
    compiled = _epsilon.strongest(unlearned, retrained, attack, 1e-5)

    monkeypatch.setattr(_epsilon, "kernels", lambda: (_epsilon._grid, _epsilon._epsilon_exact))
    plain = _epsilon.strongest(unlearned, retrained, attack, 1e-5)

    for name, values in vars(compiled).items():
        assert np.array_equal(values, getattr(plain, name)), name
