"""Measuring retraining: kept, shared, and measured again where the machine was busy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from harness.budget import Measurement, from_fraction, measure
from harness.cache import Cache
from harness.errors import BudgetError
from harness.outcomes import ModelOutcome, Status
from harness.recording import budget_record, pressure_warnings
from harness.report.records import ModelRecord
from harness.report.times import times_record

INPUTS = {"cpu": "a processor"}


def retraining(charged_s: float = 2.0, cpu_pressure: float | None = 0.0) -> Callable[[int], Sequence[ModelOutcome]]:
    """Ends as it is told to, each time a second later than the time before."""

    def retrain(times: int) -> list[ModelOutcome]:
        return [ModelOutcome(n, n, Status.OK, charged_s=charged_s + n, cpu_pressure=cpu_pressure) for n in range(times)]

    return retrain


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache("budgets", tmp_path)


def measured(cache: Cache, retrain: Callable[[int], Sequence[ModelOutcome]], lately: float | None) -> Measurement:
    return measure(INPUTS, retrain, 3, cache, lambda: lately)


def test_what_was_measured_is_taken_from_the_cache(cache: Cache) -> None:
    measured(cache, retraining(2.0), lately=0.0)

    again = measured(cache, retraining(9.0), lately=0.0)

    assert (again.retrain_s, again.from_cache) == ((2.0, 3.0, 4.0), True)


def test_a_measurement_on_a_busy_machine_is_made_again_when_it_is_at_rest(cache: Cache) -> None:
    measured(cache, retraining(9.0, cpu_pressure=0.9), lately=0.9)

    again = measured(cache, retraining(2.0), lately=0.01)

    assert (again.retrain_s, again.cpu_pressure, again.from_cache) == ((2.0, 3.0, 4.0), 0.0, False)


@pytest.mark.parametrize("lately", [0.5, None])
def test_a_measurement_on_a_busy_machine_is_kept_while_it_is_not_known_to_rest(
    cache: Cache, lately: float | None
) -> None:
    measured(cache, retraining(9.0, cpu_pressure=0.9), lately)

    again = measured(cache, retraining(2.0), lately)

    assert (again.retrain_s, again.cpu_pressure, again.from_cache) == ((9.0, 10.0, 11.0), 0.9, True)


def test_a_kernel_that_does_not_count_leaves_the_pressure_unknown(cache: Cache) -> None:
    assert measured(cache, retraining(cpu_pressure=None), lately=None).cpu_pressure is None


def test_the_limit_is_a_fraction_of_the_median(cache: Cache) -> None:
    limit = from_fraction(0.5, measured(cache, retraining(2.0, cpu_pressure=0.1), lately=0.0))

    assert (limit.limit_s, limit.retrain_median_s, limit.cpu_pressure) == (1.5, 3.0, 0.1)


def test_a_retraining_that_failed_is_no_measurement(cache: Cache) -> None:
    def retrain(_times: int) -> list[ModelOutcome]:
        return [ModelOutcome(0, 0, Status.OOM, charged_s=1.0)]

    with pytest.raises(BudgetError, match="ended with oom"):
        measured(cache, retrain, lately=0.0)


def _warnings(cache: Cache, retraining_pressure: float, pressure: float) -> list[str]:
    limit = from_fraction(0.5, measured(cache, retraining(cpu_pressure=retraining_pressure), lately=0.0))
    assert budget_record(limit).cpu_pressure == retraining_pressure
    outcomes = retraining(1.0, cpu_pressure=pressure)(2)
    return pressure_warnings(limit, times_record([ModelRecord.from_outcome(one) for one in outcomes], 1, 1))


def test_a_limit_from_a_busy_machine_is_warned_of(cache: Cache) -> None:
    (warning,) = _warnings(cache, 0.6, 0.0)

    assert "busy while retraining was measured: for 60%" in warning


def test_models_unlearned_on_a_busy_machine_are_warned_of(cache: Cache) -> None:
    (warning,) = _warnings(cache, 0.0, 0.4)

    assert warning.startswith("For 40% of the models' time something waited for a core")


def test_a_machine_at_rest_is_not_warned_of(cache: Cache) -> None:
    assert _warnings(cache, 0.1, 0.1) == []


def test_the_pressure_of_all_models_weighs_each_with_its_time() -> None:
    outcomes = [
        ModelOutcome(0, 0, Status.OK, charged_s=1.0, cpu_pressure=1.0),
        ModelOutcome(1, 1, Status.OK, charged_s=3.0, cpu_pressure=0.2),
        ModelOutcome(2, 2, Status.OK, charged_s=5.0),
    ]

    assert times_record([ModelRecord.from_outcome(one) for one in outcomes], 1, 1).cpu_pressure == 0.4
