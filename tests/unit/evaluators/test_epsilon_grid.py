"""The official grid, compared with a literal transcription of its definition."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from harness_evaluators.forgetting_quality import epsilons, grid_search, points, rates

Values = NDArray[np.float64]
Pair = tuple[Values, Values]


def _rates_to_epsilon(fnr: Values, fpr: Values, delta: float) -> Values:
    """Return epsilon of every attack from its rates in single precision; NaN for a discarded one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        halves = np.log(1 - delta - fpr) - np.log(fnr), np.log(1 - delta - fnr) - np.log(fpr)
    found = np.maximum(np.fmax(*halves), 0)
    return np.where(fpr + fnr == 0, np.inf, np.where(fpr * fnr == 0, np.nan, found))


def _mean(flags: NDArray[np.bool_]) -> NDArray[np.float32]:
    return flags.mean(axis=0, dtype=np.float32)


def literal(u: Values, r: Values, delta: float = 1e-5) -> float:
    """Compute the definition for one example: compare each threshold with each value."""
    p, q = (r, u) if np.median(r) > np.median(u) else (u, r)
    range_p, range_q = np.ptp(p), np.ptp(q)
    if max(range_p, range_q) > 0 and min(range_p, range_q) / max(range_p, range_q) < 0.01:
        return 50.0
    both = np.concatenate([p, q])
    count = math.ceil(100 * (both.max() - both.min()))
    single = torch.linspace(both.min(), both.max(), count).numpy().astype(np.float64)[None]
    found = _rates_to_epsilon(_mean(p[:, None] < single), _mean(q[:, None] >= single), delta)

    a, b = (q, p) if range_p >= range_q else (p, q)
    width = np.ptp(a)
    first, last = a.min() + width - 2, a.max() + 2
    for right in np.linspace(first, last, math.ceil(100 * (last - first))):
        left = np.linspace(right - width - 2, right - width + 2, 400)[None]
        in_a, in_b = (((left <= side[:, None]) & (side[:, None] <= right)) for side in (a, b))
        found = np.append(found, _rates_to_epsilon(_mean(~in_a), _mean(in_b), delta))
    left_over = found[~np.isnan(found)]
    return float(np.clip(left_over.max(), 0, 50)) if left_over.size else 0.0


def _normals(scale: float) -> Callable[[np.random.Generator, int], Pair]:
    return lambda rng, n: (scale * rng.normal(0, 1, (n, 3)), scale * rng.normal(0.3, 1.2, (n, 3)))


def _shift(rng: np.random.Generator, n: int) -> Pair:
    return rng.normal(2.5, 1, (n, 3)), rng.normal(0, 1, (n, 3))


def _ties(rng: np.random.Generator, n: int) -> Pair:
    return np.round(rng.normal(0, 2, (n, 3))), np.round(rng.normal(0.5, 2, (n, 3)))


def _on_the_grid(rng: np.random.Generator, n: int) -> Pair:
    """Return multiples of the step, for which rounding decides the side."""
    return np.round(rng.normal(0, 1, (n, 3)), 2), np.round(rng.normal(0, 0.3, (n, 3)), 2)


def _constants(rng: np.random.Generator, n: int) -> Pair:
    """Return a constant among spread values, two constants apart, and two that are equal."""
    u, r = rng.normal(0, 1, (n, 3)), rng.normal(0, 1, (n, 3))
    u[:, 0], u[:, 1], u[:, 2] = 1.0, 1.0, 3.0
    r[:, 1], r[:, 2] = 2.0, 3.0
    return u, r


def _near_the_guard(rng: np.random.Generator, n: int) -> Pair:
    u, r = rng.uniform(-1, 1, (n, 3)), rng.uniform(-1, 1, (n, 3))
    u[:2] = [[-1] * 3, [1] * 3]
    r[:2] = [[-1] * 3, [1] * 3]
    return u * np.array([0.0099, 0.0101, 0.01]), r


def _bimodal(rng: np.random.Generator, n: int) -> Pair:
    return rng.normal(0, 1, (n, 3)) + rng.choice([-4, 4], (n, 3)), rng.normal(0, 1, (n, 3))


def _single_precision(rng: np.random.Generator, n: int) -> Pair:
    """Return values as from logits of trained models: exact in single precision, far from 0."""
    u, r = rng.normal(40, 1, (2, n, 3)).astype(np.float32).astype(np.float64)
    return u, r


KINDS: dict[str, Callable[[np.random.Generator, int], Pair]] = {
    "sd .001": _normals(0.001),
    "sd .3": _normals(0.3),
    "sd 1": _normals(1),
    "sd 3": _normals(3),
    "sd 8": _normals(8),
    "shift": _shift,
    "ties": _ties,
    "on the grid": _on_the_grid,
    "constants": _constants,
    "near the guard": _near_the_guard,
    "bimodal": _bimodal,
    "single precision": _single_precision,
}


@functools.cache
def _case(kind: str, n_models: int) -> tuple[Values, Values, Values]:
    u, r = KINDS[kind](np.random.default_rng(n_models), n_models)
    return u, r, np.array([literal(one, other) for one, other in zip(u.T, r.T, strict=True)])


@pytest.mark.parametrize("n_models", [2, 9, 24])
@pytest.mark.parametrize("kind", KINDS)
def test_every_example_equals_the_literal_definition(kind: str, n_models: int) -> None:
    u, r, expected = _case(kind, n_models)

    assert np.abs(epsilons(u, r) - expected).max() <= 1e-6


def test_swapping_the_populations_changes_nothing_where_medians_and_ranges_differ() -> None:
    u, r = _shift(np.random.default_rng(3), 20)

    assert np.array_equal(epsilons(u, r), epsilons(r, u))


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="without fused multiply-add")
def test_single_thresholds_are_those_of_torch() -> None:
    rng = np.random.default_rng(0)
    for scale in (0.01, 1, 30):
        for _ in range(50):
            low, high = np.sort(rng.normal(0, scale, 2))
            expected = torch.linspace(low, high, math.ceil((high - low) * 100)).numpy()
            assert np.array_equal(
                grid_search.Thresholds.between(np.array([low]), np.array([high])).at(
                    np.zeros(len(expected), dtype=np.int64), np.arange(len(expected))
                ),
                expected,
            )


def test_values_beyond_any_grid_are_attacked_at_the_values_themselves() -> None:
    rng = np.random.default_rng(1)
    u, r = rng.normal(0, 1e30, (8, 3)), rng.normal(0, 1e30, (8, 3))

    assert np.array_equal(epsilons(u, r), epsilons(u, r, attack="exact"))


def test_the_grid_stays_below_the_exact_supremum() -> None:
    rng = np.random.default_rng(2)
    u, r = rng.normal(0, 1, (40, 30)), rng.normal(0.5, 1.5, (40, 30))

    grid, exact = epsilons(u, r), epsilons(u, r, attack="exact")

    assert (grid <= exact + 1e-6).all()
    assert (grid < exact - 1e-3).any()


def test_points_halve_from_bucket_to_bucket_and_end_at_the_largest_epsilon() -> None:
    """ceil(ln 63) = 5: ten buckets; an epsilon on an edge belongs to the bucket above."""
    epsilon = [0.0, 0.499, 0.5, 1.0, 4.499, 4.5, 4.999, 5.0, 50.0]

    expected = [1, 1, 0.5, 0.25, 2.0**-8, 2.0**-9, 2.0**-9, 0, 0]

    assert points(epsilon, 64).tolist() == expected


def test_points_of_the_competitions_size_have_fourteen_buckets() -> None:
    assert points([6.4, 6.9, 7.0], 512).tolist() == [2.0**-12, 2.0**-13, 0.0]


def test_the_largest_finite_epsilon_is_that_of_one_error_a_side() -> None:
    table = rates.logs(512, 1e-5, np.float64)
    errors = np.arange(513)[:, None], np.arange(513)[None, :]

    found = rates.epsilons(table, table, *np.broadcast_arrays(*errors))

    assert found[np.isfinite(found)].max() == pytest.approx(math.log(511 - 512e-5), abs=1e-12)
    assert found[1, 1] == found[np.isfinite(found)].max()


@pytest.mark.parametrize(("errors", "expected"), [((0, 0), math.inf), ((0, 3), -math.inf), ((3, 0), -math.inf)])
def test_a_rate_of_zero_is_perfect_with_the_other_and_discarded_alone(errors: tuple[int, int], expected: float) -> None:
    table = rates.logs(8, 1e-5, np.float64)

    assert rates.epsilons(table, table, *(np.array([count]) for count in errors))[0] == expected
