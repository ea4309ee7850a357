"""The budget of a model: a fraction of the time that retraining takes with the same runner on the same hardware.

Retraining is measured on an idle machine, and the smallest time ever measured under one cache key is kept. Other load can only
lengthen a run, so the minimum is the measurement with the least noise (Chen and Revels, "Robust benchmarking in noisy
environments", 2016). An explicit limit needs no measurement.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from harness.core import pressure
from harness.core.bounds import NumberError
from harness.core.cache import Cache, key_of
from harness.core.outcomes import ModelOutcome
from harness.core.reading import foreign
from harness.errors import BudgetError, RunNotFoundError
from harness.evaluation import Clock
from harness.runs.config import TIME_LIMIT_S, TIME_LIMIT_STEPS

MEASUREMENT = "retraining.json"
FORMAT = 4
TRIES = 2
"""Maximum number of attempts if other load starts during the measurement."""

DEADLINE_FACTOR = 10.0
DEADLINE_MARGIN_S = 60.0
UNMEASURED_DEADLINE_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Measured retrainings; all fields have their defaults if none was measured.

    Attributes:
        retrain_s: measured retrainings, in the unit of the clock.
        retrain_min_s: smallest retraining ever measured under this key, in the unit of the clock.
        elapsed_s: wall-clock seconds of each of ``retrain_s``.
        examples: examples drawn in each of ``retrain_s``.
        cpu_pressure: share of the measured time, 0 to 1, in which some task waited for a core; None if unknown.
        at_rest: the machine was idle during the measurement, as far as is known.
        key: cache key of the measurement.
        from_cache: the measurement is from an earlier run on the same hardware.
    """

    retrain_s: tuple[float, ...] = ()
    retrain_min_s: float | None = None
    elapsed_s: tuple[float, ...] = ()
    examples: tuple[float, ...] = ()
    cpu_pressure: float | None = None
    at_rest: bool | None = None
    key: str = ""
    from_cache: bool = False

    @classmethod
    def of(cls, outcomes: Sequence[ModelOutcome]) -> Measurement:
        """Return the measurement from outcomes of ``retrain``; raise BudgetError unless all finished."""
        times = tuple(_charged_s(outcome) for outcome in outcomes)
        known = [outcome.cpu_pressure for outcome in outcomes if outcome.cpu_pressure is not None]
        share = statistics.median(known) if known else None
        return cls(
            retrain_s=times,
            retrain_min_s=min(times),
            elapsed_s=tuple(outcome.evidence.elapsed_s or outcome.charged_s or 0.0 for outcome in outcomes),
            examples=tuple(float(outcome.examples) for outcome in outcomes if outcome.examples is not None),
            cpu_pressure=share,
            at_rest=not pressure.busy(share),
        )

    @classmethod
    def read(cls, folder: Path) -> Measurement:
        """Return the content of a cache entry."""
        return TypeAdapter(cls).validate_json((folder / MEASUREMENT).read_bytes())

    def write(self, folder: Path) -> None:
        """Write the content of a cache entry."""
        (folder / MEASUREMENT).write_text(json.dumps(asdict(self)))


@dataclass(frozen=True)
class Limit(Measurement):
    """The limit in force and its origin.

    Attributes:
        limit_s: limit in the unit of ``clock``: seconds, CPU seconds, or examples.
        how: "fraction" or "explicit".
        fraction: fraction of the smallest measured retraining; None if explicit.
        clock: what is counted: "wall", "cpu" or "steps".
    """

    limit_s: float
    how: Literal["fraction", "explicit"] = "explicit"
    fraction: float | None = None
    clock: Clock = "wall"

    @property
    def retrain_median_s(self) -> float | None:
        """Return the median of the measured retrainings, in the unit of ``clock``."""
        return statistics.median(self.retrain_s) if self.retrain_s else None

    @property
    def deadline_s(self) -> float:
        """Return the wall-clock seconds after which a model is killed, regardless of its charge."""
        if self.clock == "wall":
            return self.limit_s
        if self.clock == "cpu":
            return DEADLINE_MARGIN_S + DEADLINE_FACTOR * self.limit_s
        if not self.elapsed_s:
            return UNMEASURED_DEADLINE_S
        return DEADLINE_MARGIN_S + DEADLINE_FACTOR * max(1.0, self.fraction or 0.0) * max(self.elapsed_s)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Limit:
        """Return the limit that was stored as the result of ``dataclasses.asdict``."""
        with foreign("the stored limit of the run is damaged", RunNotFoundError, "Begin the run again."):
            return TypeAdapter(cls).validate_python(dict(kept))


def timing_key(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a measurement's cache key."""
    return {**inputs, "format": FORMAT}


def measure(
    inputs: Mapping[str, Any],
    retrain: Callable[[int], Sequence[ModelOutcome]],
    measurements: int,
    cache: Cache | None = None,
    *,
    rest: pressure.Rest | None = None,
    waits: bool = True,
    tell: Callable[[str], None] = lambda _text: None,
) -> Measurement:
    """Return the cached measurement, or measure retraining.

    A measurement made under load is repeated by the first run that waits for an idle machine or finds it idle. The smallest
    time is kept in any case.

    Args:
        inputs: everything the time depends on: data, recipe, network, runner, image, CPU and GPU model, cores, clock.
        retrain: runs the bundled ``retrain`` unlearner the given number of times and returns the outcomes.
        measurements: number of retrainings.
        cache: cache of measurements; default: the user's.
        rest: detector of an idle machine.
        waits: wait for an idle machine before measuring.
        tell: progress callback for the waiting.

    Raises:
        BudgetError: if a retraining did not finish.
        BusyMachineError: if the machine did not become idle.
    """
    inputs, cache, rest = timing_key(inputs), cache or Cache("budgets"), rest or pressure.Rest()
    earlier: list[Measurement] = []

    def build(folder: Path) -> None:
        found = _at_rest(rest, retrain, measurements, tell) if waits else _now(rest, retrain, measurements)
        smallest = min(one.retrain_min_s for one in (*earlier, found) if one.retrain_min_s is not None)
        replace(found, retrain_min_s=smallest).write(folder)

    def out_of_date(folder: Path) -> bool:
        kept = Measurement.read(folder)
        earlier.append(kept)
        return not kept.at_rest and (waits or rest.now())

    folder, hit = cache.get_or_build(inputs, build, out_of_date)
    return replace(Measurement.read(folder), key=key_of(inputs), from_cache=hit)


def _at_rest(
    rest: pressure.Rest,
    retrain: Callable[[int], Sequence[ModelOutcome]],
    measurements: int,
    tell: Callable[[str], None],
) -> Measurement:
    """Wait for an idle machine, then measure; repeat if other load started meanwhile."""
    for _ in range(TRIES):
        rest.wait(tell)
        found = Measurement.of(retrain(measurements))
        if found.at_rest:
            break
    return found


def _now(rest: pressure.Rest, retrain: Callable[[int], Sequence[ModelOutcome]], measurements: int) -> Measurement:
    """Measure without waiting; mark the measurement as at rest only if the machine was idle."""
    before = rest.lately()
    found = Measurement.of(retrain(measurements))
    calm = before is None or before < pressure.CALM
    return replace(found, at_rest=calm and found.at_rest)


def keep_smaller(inputs: Mapping[str, Any], seconds: float, cache: Cache | None = None) -> bool:
    """Store a later measured retraining if it is the smallest under its key; return True if it is.

    Args:
        inputs: as in :func:`measure`.
        seconds: time in the unit of the clock.
        cache: as in :func:`measure`.
    """
    inputs, cache = timing_key(inputs), cache or Cache("budgets")
    if not cache.holds(inputs):
        return False
    earlier: list[Measurement] = []

    def build(folder: Path) -> None:
        if not earlier:
            raise BudgetError("The cache entry is damaged, and a single time cannot replace a measurement.")
        replace(earlier[-1], retrain_min_s=seconds).write(folder)

    def out_of_date(folder: Path) -> bool:
        kept = Measurement.read(folder)
        earlier.append(kept)
        return kept.retrain_min_s is None or seconds < kept.retrain_min_s

    try:
        return not cache.get_or_build(inputs, build, out_of_date)[1]
    except BudgetError:
        return False


def _charged_s(outcome: ModelOutcome) -> float:
    if not outcome.status.finished or outcome.charged is None:
        detail = outcome.evidence.error_message or outcome.advice
        raise BudgetError(
            f"The retraining time could not be measured: the bundled `retrain` ended with {outcome.status.value}: {detail} "
            "Raise --memory, or set the limit with --time-limit SECONDS."
        )
    return outcome.charged


def from_fraction(fraction: float, measured: Measurement, clock: Clock = "wall") -> Limit:
    """Return the limit as a fraction of the smallest measured retraining.

    Raises:
        BudgetError: if the limit would exceed a week, or 1e12 examples.
    """
    smallest = measured.retrain_min_s or 0.0
    try:
        (TIME_LIMIT_STEPS if clock == "steps" else TIME_LIMIT_S).check(fraction * smallest)
    except NumberError as error:
        raise BudgetError(f"The limit, {fraction:g} times {smallest:g}, {error}; reduce --budget-fraction.") from error
    return Limit(fraction * smallest, "fraction", fraction, clock, **vars(measured))
