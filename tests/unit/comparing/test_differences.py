from __future__ import annotations

import numpy as np
import pytest

from harness.comparing.differences import difference, estimate, holm
from harness.evaluation import Interval, Metric
from tests.unit.comparing.samples import metric

MANY = 10**6  # models, so that Student's t is the normal law


def record(value: float | None, half: float | None = 0.02, **changes: object) -> Metric:
    return metric(value, half, **changes)


def test_the_interval_of_a_difference_adds_half_widths_in_quadrature() -> None:
    found = difference(record(0.5, 0.03), record(0.7, 0.04), MANY, "lower")

    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.15, 0.25), abs=1e-4)
    assert found.p == pytest.approx(2 * 2.2e-15, abs=1e-12)


def test_a_difference_as_large_as_its_half_width_has_p_005() -> None:
    found = difference(record(0.5, 0.03), record(0.55, 0.04), MANY, "lower")

    assert found is not None
    assert found.p == pytest.approx(0.05, abs=1e-4)


def test_only_the_sides_that_face_each_other_count() -> None:
    low = record(0.5, interval=Interval(0.1, 0.53))
    high = record(0.55, interval=Interval(0.51, 0.9))

    found = difference(low, high, MANY, "lower")

    assert found is not None
    assert found.p == pytest.approx(0.05, abs=1e-4)


def test_few_models_widen_the_interval() -> None:
    few, many = (difference(record(0.5), record(0.55), models, "lower") for models in (4, 64))

    assert few is not None
    assert many is not None
    assert few.p > many.p
    assert few.low < many.low


@pytest.mark.parametrize(("direction", "sign"), [("lower", 1), ("higher", -1), ("none", 1)])
def test_what_is_worse_follows_the_direction(direction: str, sign: int) -> None:
    found = difference(record(0.5), record(0.7), MANY, direction)  # type: ignore[arg-type]

    assert found is not None
    assert found.badness == pytest.approx(sign * 0.2)


@pytest.mark.parametrize(
    ("first", "second", "badness"),
    [(0.6, 0.9, 0.3), (0.4, 0.1, 0.3), (0.9, 0.6, -0.3), (0.3, 0.9, 0.2), (0.9, 0.3, -0.2)],
)
def test_closer_to_the_control_is_better_on_either_side(first: float, second: float, badness: float) -> None:
    found = difference(record(first), record(second), MANY, "closer_to_reference")

    assert found is not None
    assert found.badness == pytest.approx(badness)


def test_values_as_far_from_the_control_on_either_side_are_alike() -> None:
    found = difference(record(0.25), record(0.75), MANY, "closer_to_reference")

    assert found is not None
    assert (found.badness, found.p) == (0, 1)


def test_across_the_control_its_own_uncertainty_counts_twice() -> None:
    surer = record(0.3, control_interval=Interval(0.5, 0.5))
    vaguer = record(0.3, control_interval=Interval(0.4, 0.6))

    found = [difference(first, record(0.8), MANY, "closer_to_reference") for first in (surer, vaguer)]

    assert found[0] is not None
    assert found[1] is not None
    assert found[0].p < 0.01 < 0.1 < found[1].p


@pytest.mark.parametrize(
    "changes",
    [
        {"value": None},
        {"value": 0.8, "half": None},
        {"value": 0.8, "interval": Interval(0.81, 0.9)},
    ],
)
def test_without_a_value_in_an_interval_nothing_is_judged(changes: dict[str, object]) -> None:
    assert difference(record(0.8), record(**changes), MANY, "lower") is None  # type: ignore[arg-type]


def test_without_a_control_nothing_can_be_closer_to_it() -> None:
    assert difference(record(0.3, control=None), record(0.8, control=None), MANY, "closer_to_reference") is None


def test_one_model_is_no_ground_for_a_difference() -> None:
    assert difference(record(0.3), record(0.8), 1, "lower") is None


def test_an_interval_of_another_level_counts_for_what_it_is() -> None:
    narrow = estimate(0.5, Interval(low=0.4, high=0.6, level=0.68))
    wide = estimate(0.5, Interval(low=0.4, high=0.6, level=0.95))

    assert narrow is not None
    assert wide is not None
    assert narrow.above == pytest.approx(0.1, abs=1e-3)
    assert wide.above == pytest.approx(0.1 / 1.96, abs=1e-3)


def test_holm_adjusts_as_in_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def mean_of(rng: np.random.Generator, shift: float, models: int) -> Metric:
    """Return a mean over models with the limit of its bootstrap interval for many resamples."""
    values = rng.normal(shift, 1.0, models)
    mean, half = float(values.mean()), 1.96 * float(values.std(ddof=1)) / np.sqrt(models)
    return Metric("m", mean, "lower", "", interval=Interval(mean - half, mean + half))


@pytest.mark.parametrize("models", [8, 32])
def test_runs_without_a_difference_are_told_apart_no_oftener_than_stated(models: int) -> None:
    rng = np.random.default_rng(5)
    found = [difference(mean_of(rng, 0, models), mean_of(rng, 0, models), models, "lower") for _ in range(1000)]

    false = np.mean([one is not None and one.p <= 0.05 for one in found])

    assert 0.02 <= false <= 0.065


def test_a_difference_of_two_standard_errors_of_it_is_mostly_seen_and_one_of_eight_always() -> None:
    rng = np.random.default_rng(6)

    def seen(shift: float) -> float:
        pairs = [(mean_of(rng, 0, 16), mean_of(rng, shift, 16)) for _ in range(200)]
        found = [difference(*pair, 16, "lower") for pair in pairs]
        return float(np.mean([one is not None and one.p <= 0.05 for one in found]))

    assert 0.35 <= seen(2 * np.sqrt(2 / 16)) <= 0.65
    assert seen(8 * np.sqrt(2 / 16)) == 1
