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
from typing import Any

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
FORMAT = 3
TRIES = 2
"""Maximum number of attempts if other load starts during the measurement."""

DEADLINE_FACTOR = 10.0
DEADLINE_MARGIN_S = 60.0
UNMEASURED_DEADLINE_S = 3600.0


@dataclass(frozen=True)
class Limit:
    """The limit in force and its origin.

    Attributes:
        limit_s: limit in the unit of ``clock``: seconds, CPU seconds, or examples.
        how: "fraction" or "explicit".
        fraction: fraction of the smallest measured retraining; None if explicit.
        retrain_s: measured retrainings, in the unit of ``clock``.
        key: cache key of the measurement.
        from_cache: the measurement is from an earlier run on the same hardware.
        cpu_pressure: share of the measured time, 0 to 1, in which some task waited for a core; None if unknown.
        clock: what is counted: "wall", "cpu" or "steps".
        retrain_min_s: smallest retraining ever measured under this key, in the unit of ``clock``; None if explicit.
        elapsed_s: wall-clock seconds of each of ``retrain_s``.
        examples: examples drawn in each of ``retrain_s``.
        at_rest: the machine was idle during the measurement, as far as is known; None if explicit.
    """

    limit_s: float
    how: str
    fraction: float | None
    retrain_s: tuple[float, ...]
    key: str
    from_cache: bool
    cpu_pressure: float | None = None
    clock: Clock = "wall"
    retrain_min_s: float | None = None
    elapsed_s: tuple[float, ...] = ()
    examples: tuple[float, ...] = ()
    at_rest: bool | None = None

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


@dataclass(frozen=True)
class Measurement:
    """A measurement of retraining.

    Attributes:
        retrain_s, elapsed_s, examples, cpu_pressure, key, from_cache, at_rest: as in :class:`Limit`.
        min_s: smallest retraining ever measured under this key, in the unit of the clock.
    """

    retrain_s: tuple[float, ...]
    cpu_pressure: float | None
    key: str
    from_cache: bool
    min_s: float
    elapsed_s: tuple[float, ...] = ()
    examples: tuple[float, ...] = ()
    at_rest: bool = True


@dataclass(frozen=True)
class _Kept:
    """Content of a cache entry; fields as in :class:`Measurement`."""

    retrain_s: Sequence[float]
    elapsed_s: Sequence[float]
    examples: Sequence[float]
    cpu_pressure: float | None
    at_rest: bool
    min_s: float

    @classmethod
    def read(cls, folder: Path) -> _Kept:
        return cls(**json.loads((folder / MEASUREMENT).read_text()))

    @classmethod
    def of(cls, outcomes: Sequence[ModelOutcome]) -> _Kept:
        """Return the measurement from outcomes of ``retrain``; raise BudgetError unless all finished."""
        times = [_charged_s(outcome) for outcome in outcomes]
        known = [outcome.cpu_pressure for outcome in outcomes if outcome.cpu_pressure is not None]
        share = statistics.median(known) if known else None
        elapsed = [outcome.evidence.elapsed_s or outcome.charged_s or 0.0 for outcome in outcomes]
        examples = [float(outcome.examples) for outcome in outcomes if outcome.examples is not None]
        return cls(times, elapsed, examples, share, not pressure.busy(share), min(times))

    def write(self, folder: Path) -> None:
        (folder / MEASUREMENT).write_text(json.dumps(asdict(self)))


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
    earlier: list[_Kept] = []

    def build(folder: Path) -> None:
        found = _at_rest(rest, retrain, measurements, tell) if waits else _now(rest, retrain, measurements)
        replace(found, min_s=min(one.min_s for one in (*earlier, found))).write(folder)

    def out_of_date(folder: Path) -> bool:
        kept = _Kept.read(folder)
        earlier.append(kept)
        return not kept.at_rest and (waits or rest.now())

    folder, hit = cache.get_or_build(inputs, build, out_of_date)
    found = _Kept.read(folder)
    return Measurement(
        tuple(found.retrain_s),
        found.cpu_pressure,
        key_of(inputs),
        hit,
        found.min_s,
        tuple(found.elapsed_s),
        tuple(found.examples),
        found.at_rest,
    )


def _at_rest(
    rest: pressure.Rest,
    retrain: Callable[[int], Sequence[ModelOutcome]],
    measurements: int,
    tell: Callable[[str], None],
) -> _Kept:
    """Wait for an idle machine, then measure; repeat if other load started meanwhile."""
    for _ in range(TRIES):
        rest.wait(tell)
        found = _Kept.of(retrain(measurements))
        if found.at_rest:
            break
    return found


def _now(rest: pressure.Rest, retrain: Callable[[int], Sequence[ModelOutcome]], measurements: int) -> _Kept:
    """Measure without waiting; mark the measurement as at rest only if the machine was idle."""
    before = rest.lately()
    found = _Kept.of(retrain(measurements))
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
    earlier: list[_Kept] = []

    def build(folder: Path) -> None:
        if not earlier:
            raise BudgetError("The cache entry is damaged, and a single time cannot replace a measurement.")
        replace(earlier[-1], min_s=seconds).write(folder)

    def out_of_date(folder: Path) -> bool:
        kept = _Kept.read(folder)
        earlier.append(kept)
        return seconds < kept.min_s

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
    try:
        (TIME_LIMIT_STEPS if clock == "steps" else TIME_LIMIT_S).check(fraction * measured.min_s)
    except NumberError as error:
        raise BudgetError(
            f"The limit, {fraction:g} times {measured.min_s:g}, {error}; reduce --budget-fraction."
        ) from error
    return Limit(
        fraction * measured.min_s,
        "fraction",
        fraction,
        measured.retrain_s,
        measured.key,
        measured.from_cache,
        measured.cpu_pressure,
        clock,
        measured.min_s,
        measured.elapsed_s,
        measured.examples,
        measured.at_rest,
    )
