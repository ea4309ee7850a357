"""Measuring retraining: at rest, kept, shared, measured again where the machine was busy, and never replaced by a longer time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.core.cache import Cache
from harness.core.outcomes import Evidence, ModelOutcome, Status
from harness.core.pressure import Rest
from harness.errors import BudgetError, BusyMachineError
from harness.report.dependability import undependable
from harness.report.times import TimesRecord, times_record
from harness.runs.budget import Limit, Measurement, from_fraction, keep_smaller, measure
from harness.runs.unjudged import budget_record, busy_warnings

INPUTS = {"cpu": "a processor"}
CALM, BUSY = 0.0, 0.9


def retraining(
    charged_s: float = 2.0, cpu_pressure: float | None = 0.0, **more: object
) -> Callable[[int], Sequence[ModelOutcome]]:
    """Return a measurement with the given outcomes, each a second longer than the previous."""

    def retrain(times: int) -> list[ModelOutcome]:
        return [
            ModelOutcome(n, n, Status.OK, charged_s=charged_s + n, cpu_pressure=cpu_pressure, **more)  # type: ignore[arg-type]
            for n in range(times)
        ]

    return retrain


class Machine:
    """A machine whose load is given for each moment at which it is looked at; a second passes with each look."""

    def __init__(self, *loads: float | None) -> None:
        self._loads = list(loads)
        self.seconds = 0.0

    def rest(self) -> Rest:
        return Rest(self.load, lambda _seconds: self.load(), lambda: self.seconds, most_s=5.0)

    def load(self) -> float | None:
        self.seconds += 1.0
        return self._loads.pop(0) if len(self._loads) > 1 else self._loads[0]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache("budgets", tmp_path)


def measured(
    cache: Cache, retrain: Callable[[int], Sequence[ModelOutcome]], *loads: float | None, waits: bool = False
) -> Measurement:
    return measure(INPUTS, retrain, 3, cache, rest=Machine(*(loads or (CALM,))).rest(), waits=waits)


def test_what_was_measured_is_taken_from_the_cache(cache: Cache) -> None:
    measured(cache, retraining(2.0))

    again = measured(cache, retraining(9.0))

    assert (again.retrain_s, again.retrain_min_s, again.from_cache) == ((2.0, 3.0, 4.0), 2.0, True)


def test_retraining_is_measured_when_the_machine_has_come_to_rest(cache: Cache) -> None:
    told: list[str] = []
    machine = Machine(BUSY, BUSY, BUSY, BUSY, CALM)

    found = measure(INPUTS, retraining(2.0), 3, cache, rest=machine.rest(), tell=told.append)

    assert (found.retrain_min_s, found.at_rest) == (2.0, True)
    assert machine.seconds == 5.0
    (notice,) = told
    assert "Waiting" in notice
    assert "--no-wait" in notice


def test_a_machine_that_stays_busy_is_an_error_that_says_what_to_do(cache: Cache) -> None:
    with pytest.raises(BusyMachineError, match=r"--no-wait.*--time-limit"):
        measured(cache, retraining(2.0), BUSY, waits=True)

    assert measured(cache, retraining(3.0), CALM, waits=True).retrain_min_s == 3.0


def test_where_nothing_is_known_of_the_load_retraining_is_measured_at_once(cache: Cache) -> None:
    found = measured(cache, retraining(2.0, cpu_pressure=None), None, waits=True)

    assert (found.cpu_pressure, found.at_rest) == (None, True)


def test_what_other_work_disturbed_is_measured_once_more(cache: Cache) -> None:
    disturbed = iter([BUSY, CALM])

    def retrain(times: int) -> Sequence[ModelOutcome]:
        share = next(disturbed)
        return retraining(9.0 if share else 2.0, share)(times)

    found = measured(cache, retrain, waits=True)

    assert (found.retrain_s, found.at_rest) == ((2.0, 3.0, 4.0), True)


def test_without_waiting_a_busy_machine_is_measured_and_the_measurement_says_so(cache: Cache) -> None:
    found = measured(cache, retraining(9.0, cpu_pressure=0.1), BUSY)

    assert (found.retrain_min_s, found.at_rest) == (9.0, False)


def test_a_measurement_on_a_busy_machine_is_made_again_when_it_is_at_rest(cache: Cache) -> None:
    measured(cache, retraining(9.0, cpu_pressure=BUSY), BUSY)

    again = measured(cache, retraining(2.0), 0.01)

    assert (again.retrain_s, again.cpu_pressure, again.from_cache, again.at_rest) == ((2.0, 3.0, 4.0), 0.0, False, True)


@pytest.mark.parametrize("load", [0.5, None])
def test_a_measurement_on_a_busy_machine_is_kept_while_it_is_not_known_to_rest(
    cache: Cache, load: float | None
) -> None:
    measured(cache, retraining(9.0, cpu_pressure=BUSY), load)

    again = measured(cache, retraining(2.0), load)

    assert (again.retrain_s, again.cpu_pressure, again.from_cache) == ((9.0, 10.0, 11.0), BUSY, True)


def test_the_smallest_time_stays_though_a_later_measurement_is_longer(cache: Cache) -> None:
    measured(cache, retraining(2.0, cpu_pressure=BUSY), BUSY)

    again = measured(cache, retraining(5.0), CALM)

    assert (again.retrain_s, again.retrain_min_s) == ((5.0, 6.0, 7.0), 2.0)


@pytest.mark.parametrize(("seconds", "kept", "smallest"), [(1.5, True, 1.5), (2.5, False, 2.0)])
def test_a_later_time_is_kept_only_if_it_is_smaller(cache: Cache, seconds: float, kept: bool, smallest: float) -> None:
    measured(cache, retraining(2.0))

    assert keep_smaller(INPUTS, seconds, cache) is kept

    again = measured(cache, retraining(9.0))
    assert (again.retrain_min_s, again.retrain_s, again.from_cache) == (smallest, (2.0, 3.0, 4.0), True)


def test_one_later_time_alone_is_no_measurement(cache: Cache) -> None:
    assert keep_smaller(INPUTS, 1.0, cache) is False
    assert measured(cache, retraining(2.0)).from_cache is False


def test_a_damaged_measurement_is_not_made_of_one_later_time(cache: Cache, tmp_path: Path) -> None:
    measured(cache, retraining(2.0))
    (entry,) = tmp_path.rglob("retraining.json")
    entry.write_text("{}")

    assert keep_smaller(INPUTS, 1.0, cache) is False
    assert measured(cache, retraining(3.0)).retrain_min_s == 3.0


def test_a_kernel_that_does_not_count_leaves_the_pressure_unknown(cache: Cache) -> None:
    assert measured(cache, retraining(cpu_pressure=None), None).cpu_pressure is None


def test_the_limit_is_a_fraction_of_the_smallest_time(cache: Cache) -> None:
    limit = from_fraction(0.5, measured(cache, retraining(2.0, cpu_pressure=0.1)))

    assert (limit.limit_s, limit.retrain_min_s, limit.retrain_median_s, limit.cpu_pressure) == (1.0, 2.0, 3.0, 0.1)


def test_a_limit_in_examples_is_a_fraction_of_what_retraining_draws(cache: Cache) -> None:
    retrain = retraining(2.0, examples=1000, clock="steps", evidence=Evidence(elapsed_s=4.0))

    limit = from_fraction(0.2, measured(cache, retrain), "steps")

    assert (limit.limit_s, limit.retrain_s, limit.elapsed_s) == (200.0, (1000.0,) * 3, (4.0,) * 3)
    assert limit.deadline_s == 60.0 + 10.0 * 4.0


def test_a_limit_of_processor_seconds_has_a_generous_deadline_and_one_of_seconds_is_its_own() -> None:
    explicit = Limit(3.0)

    assert explicit.deadline_s == 3.0
    assert Limit(3.0, clock="cpu").deadline_s == 90.0
    assert Limit(500.0, clock="steps").deadline_s == 3600.0


def test_a_limit_can_be_kept_and_read_back(cache: Cache) -> None:
    limit = from_fraction(0.5, measured(cache, retraining(2.0)))

    assert Limit.from_json(json.loads(json.dumps(asdict(limit)))) == limit


def test_a_retraining_that_failed_is_no_measurement(cache: Cache) -> None:
    def retrain(_times: int) -> list[ModelOutcome]:
        return [ModelOutcome(0, 0, Status.OOM, charged_s=1.0)]

    with pytest.raises(BudgetError, match="ended with oom"):
        measured(cache, retrain)


def _times(cpu_pressure: float | None) -> TimesRecord:
    return times_record(retraining(1.0, cpu_pressure=cpu_pressure)(2), workers=1, cores=1)


def _limit(**fields: object) -> Limit:
    known = {"cpu_pressure": 0.1, "retrain_min_s": 2.0, "at_rest": True, **fields}
    return Limit(1.0, "fraction", 0.5, retrain_s=(2.0,), key="k", **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limit", "load", "remeasured", "because"),
    [
        (_limit(cpu_pressure=0.6), 0.0, (), "for 60% of the time in which retraining was measured"),
        (_limit(at_rest=False), 0.0, (), "--no-wait"),
        (_limit(), 0.4, (), "for 40% of the models' time"),
        (_limit(), 0.0, (3.0, 9.0, 3.2), "1.6 times as long"),
    ],
)
def test_a_busy_machine_makes_times_undependable(
    limit: Limit, load: float, remeasured: tuple[float, ...], because: str
) -> None:
    record = budget_record(limit, _times(load), remeasured)

    assert record.dependable is False
    assert because in record.undependable_because
    (warning,) = busy_warnings(record)
    assert record.undependable_because in warning


@pytest.mark.parametrize(
    ("limit", "load", "remeasured"),
    [
        (_limit(), 0.1, (2.1, 2.4)),
        (_limit(cpu_pressure=None), None, ()),
        (_limit(cpu_pressure=0.6, clock="cpu"), 0.9, (9.0,)),
        (_limit(at_rest=False, clock="steps"), 0.9, ()),
    ],
)
def test_times_are_dependable_at_rest_and_where_no_seconds_on_the_clock_are_counted(
    limit: Limit, load: float | None, remeasured: tuple[float, ...]
) -> None:
    record = budget_record(limit, _times(load), remeasured)

    assert (record.dependable, record.undependable_because) == (True, "")
    assert busy_warnings(record) == []


def test_without_models_the_measurement_alone_decides() -> None:
    assert undependable(_limit()) == ""
    assert undependable(_limit(at_rest=False)) != ""


def test_the_pressure_of_all_models_weighs_each_with_its_time() -> None:
    outcomes = [
        ModelOutcome(0, 0, Status.OK, charged_s=1.0, cpu_pressure=1.0),
        ModelOutcome(1, 1, Status.OK, charged_s=3.0, cpu_pressure=0.2),
        ModelOutcome(2, 2, Status.OK, charged_s=5.0),
    ]

    assert times_record(outcomes, 1, 1).cpu_pressure == 0.4


def test_the_import_is_a_time_of_its_own_and_neither_charged_nor_the_programs() -> None:
    outcome = ModelOutcome(
        0, 0, Status.OK, charged_s=2.0, import_s=50.0, prepare_s=1.0, start_s=1.0, after_s=0.5, judge_s=0.5
    )
    record = times_record([outcome] * 2, workers=1, cores=1)

    assert record.imports is not None
    assert record.charged is not None
    assert (record.imports.p50_s, record.charged.p50_s, record.uncharged_s) == (50.0, 2.0, 6.0)
    assert record.charged_share == round(4.0 / 110.0, 4)
