"""Components of variance, their intervals, and the best use of compute, with known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.evaluation import Interval
from harness_evaluators.variance import allocation, anova, spread_ratio
from harness_evaluators.variance.allocation import Costs

Values = NDArray[np.float64]


def _drawn(rng: np.random.Generator, sizes: list[int], between: float, within: float, columns: int = 1) -> Values:
    """Return models of each original in turn, shape (N, columns), with the given variances."""
    effects = np.repeat(math.sqrt(between) * rng.standard_normal((len(sizes), columns)), sizes, axis=0)
    return effects + math.sqrt(within) * rng.standard_normal((sum(sizes), columns))


def _origins(sizes: list[int]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(sizes)), sizes)


def _within(interval: Interval | None, truth: float) -> bool:
    assert interval is not None
    return interval.low <= truth <= interval.high


def test_a_worked_example_gives_the_textbook_components() -> None:
    """Groups (1, 3), (5, 7), (9, 11): MSB = 2 * (16 + 0 + 16) / 2 = 32, MSW = 6 / 3 = 2, var a = 15, var e = 2."""
    groups = anova.grouped(np.array([[1.0], [3], [5], [7], [9], [11]]), _origins([2, 2, 2]))

    found = anova.squares(groups)

    assert (found.between[0, 0], found.within[0, 0], found.n0[0, 0]) == pytest.approx((32, 2, 2))
    assert found.component()[0, 0] == pytest.approx(15)
    assert found.total()[0, 0] == pytest.approx(17)
    assert anova.share(found) == pytest.approx(15 / 17)


def test_unequal_repeats_are_weighted_by_searles_n0() -> None:
    """Sizes 1, 2, 3: n0 = (6 - 14 / 6) / 2. Values (0), (1, 3), (4, 6, 8) with mean 22 / 6."""
    groups = anova.grouped(np.array([[0.0], [1], [3], [4], [6], [8]]), _origins([1, 2, 3]))

    found = anova.squares(groups)

    mean = 22 / 6
    between = (mean**2 + 2 * (2 - mean) ** 2 + 3 * (6 - mean) ** 2) / 2
    assert found.n0[0, 0] == pytest.approx((6 - 14 / 6) / 2)
    assert found.between[0, 0] == pytest.approx(between)
    assert found.within[0, 0] == pytest.approx((2 + 8) / 3)


@pytest.mark.parametrize("sizes", [[2] * 6, [4] * 6, [1, 1, 2, 3, 5, 8], [1, 1, 1, 1, 1, 4]])
@pytest.mark.parametrize(("between", "within"), [(1.0, 2.0), (0.0, 1.0), (3.0, 0.0)])
def test_components_are_unbiased_for_any_numbers_of_repeats(sizes: list[int], between: float, within: float) -> None:
    """Each of 40,000 columns is a run of its own; the mean of their estimates is the truth."""
    values = _drawn(np.random.default_rng(1), sizes, between, within, columns=40_000)

    found = anova.squares(anova.grouped(values, _origins(sizes)))

    assert found.component().mean() == pytest.approx(between, abs=0.06)
    assert found.within.mean() == pytest.approx(within, abs=0.03)
    assert found.total().mean() == pytest.approx(between + within, abs=0.06)


@pytest.mark.parametrize("sizes", [[2] * 16, [1, 2, 3, 4] * 4])
@pytest.mark.parametrize(("between", "within"), [(0.3, 0.7), (0.8, 0.2)])
def test_the_truth_is_in_the_stated_interval_about_as_often_as_stated(
    sizes: list[int], between: float, within: float
) -> None:
    """95 % claimed; of 300 runs, 88 % at least (1.2 % is their standard error, and few originals cost a little)."""
    rng, runs = np.random.default_rng(2), 300
    hits = np.zeros(4)
    for _ in range(runs):
        groups = anova.grouped(_drawn(rng, sizes, between, within), _origins(sizes))
        whole, without = anova.squares(groups), anova.without_each(groups)
        assert without is not None
        hits += [
            _within(anova.share_interval(whole, without), between / (between + within)),
            _within(anova.component_interval(whole, without), between),
            _within(anova.log_interval(float(whole.within[0, 0]), [without.within[:, 0]]), within),
            _within(anova.log_interval(float(whole.total()[0, 0]), [without.total()[:, 0]]), between + within),
        ]

    assert (hits / runs >= 0.88).all(), hits / runs
    assert (hits / runs <= 0.995).all(), hits / runs


def test_equal_repeats_leave_exactly_nothing_within() -> None:
    """0.1 has no exact mean of three; a deterministic method must not look random for that."""
    values = np.repeat(np.random.default_rng(4).standard_normal((6, 5)) + 0.1, 3, axis=0)

    groups = anova.grouped(values, _origins([3] * 6))

    assert (groups.scatter == 0).all()
    assert anova.share(anova.squares(groups).pooled()) == 1


def test_there_is_no_interval_without_repeats_to_leave_out() -> None:
    """With the only repeated original left out, nothing is known of the variance within."""
    groups = anova.grouped(np.random.default_rng(5).standard_normal((6, 2)), _origins([2, 1, 1, 1, 1]))

    assert anova.without_each(groups) is None


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=9),
    columns=st.integers(1, 4),
    levels=st.lists(
        st.sampled_from([-1e30, -80.0, -1.0, 0.0, 0.1, 2.0, 200.0, 1e30]), min_size=1, max_size=4, unique=True
    ),
    seed=st.integers(0, 1000),
)
def test_components_are_never_negative_and_shares_lie_between_0_and_1(
    sizes: list[int], columns: int, levels: list[float], seed: int
) -> None:
    values = np.random.default_rng(seed).choice(levels, size=(sum(sizes), columns))
    groups = anova.grouped(values, _origins(sizes))
    whole = anova.squares(groups).pooled()
    without = anova.without_each(groups)

    share = anova.share(whole)

    assert (whole.within >= 0).all()
    assert (whole.total() >= 0).all()
    assert share is None or 0 <= share <= 1
    found = anova.share_interval(whole, None if without is None else without.pooled())
    assert found is None or 0 <= found.low <= found.high <= 1


COSTS = Costs(original_s=40.0, unlearn_s=10.0)


def test_the_best_number_of_repeats_is_cochrans() -> None:
    """sqrt((40 / 10) * (9 / 1)) = 6."""
    assert allocation.optimal_repeats(1.0, 9.0, COSTS) == pytest.approx(6)


@pytest.mark.parametrize(
    ("between", "within", "expected"), [(1.0, 0.0, 1.0), (0.0, 0.0, 1.0), (0.0, 1.0, math.inf), (100.0, 1.0, 1.0)]
)
def test_the_ends_of_the_scale_of_repeats(between: float, within: float, expected: float) -> None:
    assert allocation.optimal_repeats(between, within, COSTS) == expected


@pytest.mark.parametrize("between", [0.05, 0.4, 3.0])
def test_no_other_plan_of_equal_cost_does_better(between: float) -> None:
    sizes = np.full(20, 2.0)
    best = allocation.best_plan(between, 1.0, COSTS, sizes)

    budget = 20 * 40.0 + 40 * 10.0
    for repeats in range(1, 30):
        originals = budget / (40.0 + repeats * 10.0)
        assert best.standard_error <= math.sqrt((between + 1.0 / repeats) / originals) + 1e-12
    assert best.originals * (40.0 + best.repeats * 10.0) == pytest.approx(budget)


def test_the_best_plan_keeps_two_originals() -> None:
    best = allocation.best_plan(1e-9, 1.0, COSTS, np.array([1.0, 2.0, 1.0]))

    assert best.originals >= 2
    assert best.repeats == 4


@pytest.mark.parametrize("sizes", [[3] * 5, [1, 2, 4, 6]])
def test_the_standard_error_is_that_of_simulated_means(sizes: list[int]) -> None:
    means = _drawn(np.random.default_rng(6), sizes, 2.0, 3.0, columns=40_000).mean(axis=0)

    assert allocation.standard_error(2.0, 3.0, np.array(sizes, dtype=float)) == pytest.approx(means.std(), rel=0.02)


def test_the_ratio_of_spreads_is_that_of_the_variances() -> None:
    rng = np.random.default_rng(7)
    left, right = 2.0 * rng.standard_normal((40, 400)), rng.standard_normal((40, 400))

    found = spread_ratio.ratio(
        spread_ratio.spread(anova.single(left)), spread_ratio.spread(anova.single(right)), spread_ratio.usable(right)
    )

    assert found.value == pytest.approx(4.0, rel=0.06)
    assert _within(found.interval, 4.0)


@pytest.mark.parametrize("common", [0.0, 0.5])
def test_the_noise_of_the_ratio_is_not_understated(common: float) -> None:
    """Of 100 pairs of alike populations; ``common`` is the share of variance that all examples have in common."""
    rng, values, claimed = np.random.default_rng(10), [], []
    for _ in range(100):
        sides = [
            math.sqrt(common) * rng.standard_normal((16, 1)) + math.sqrt(1 - common) * rng.standard_normal((16, 60))
            for _ in range(2)
        ]
        spreads = [spread_ratio.spread(anova.single(side)) for side in sides]
        found = spread_ratio.ratio(*spreads, spread_ratio.usable(sides[1]))
        assert found.standard_error is not None
        values.append(math.log(found.value))
        claimed.append(found.standard_error**2)

    assert 0.85 < math.sqrt(np.mean(claimed)) / np.std(values) < 1.8


def test_the_middle_half_is_what_is_averaged() -> None:
    assert anova.midmean(np.array([[1e9, 2.0, 3.0, 4.0, 6.0, -1e9, 5.0, 100.0]])) == pytest.approx([4.5])


def test_examples_on_which_retrained_models_do_not_vary_are_left_out() -> None:
    right = np.random.default_rng(8).standard_normal((10, 3))
    right[:, 1] = 50.0
    right[:, 2] = 50.0 + 1e-7 * right[:, 0]

    assert spread_ratio.usable(right).tolist() == [True, False, False]


def test_sums_of_others_lose_no_digits_beside_a_large_row() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((9, 4))
    values[3] = 1e18

    found = anova.sums_of_others(values)

    for i in range(9):
        assert found[i] == pytest.approx(np.delete(values, i, axis=0).sum(axis=0), rel=1e-14)


@pytest.mark.parametrize("sizes", [[1, 1, 1, 1, 1], [2, 1, 3, 2, 2]])
def test_mean_squares_without_an_original_are_those_of_the_others(sizes: list[int]) -> None:
    """Whatever order models are stored in."""
    rng = np.random.default_rng(0)
    values, origins = _drawn(rng, sizes, 2.0, 1.0, 3), _origins(sizes)
    shuffled = rng.permutation(len(origins))

    found = anova.without_each(anova.grouped(values[shuffled], origins[shuffled]))

    assert found is not None
    for i in range(len(sizes)):
        others = anova.squares(anova.grouped(values[origins != i], origins[origins != i]))
        assert found.between[i] == pytest.approx(others.between[0], rel=1e-12)
        assert found.within[i] == pytest.approx(others.within[0], rel=1e-12)
        assert found.n0[i] == pytest.approx(others.n0[0], rel=1e-12)
