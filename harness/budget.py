"""The time limit: a fraction of the retraining time measured through the same runner on the same hardware.

Measured once and cached with all that it depends on; an explicit number of seconds needs no measurement.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import pressure
from harness.cache import Cache, key_of
from harness.errors import BudgetError
from harness.outcomes import ModelOutcome

MEASUREMENT = "retraining.json"


@dataclass(frozen=True)
class Limit:
    """The limit in force and where it came from.

    Attributes:
        limit_s: seconds on the host's clock.
        how: "fraction" or "explicit".
        fraction: of the median retraining time; None when explicit.
        retrain_s: measured retraining times, seconds.
        key: cache key of the measurement.
        from_cache: measured by an earlier run on this very hardware.
        cpu_pressure: share of the measured time, 0 to 1, in which something on the machine waited for a core; None if
            unknown.
    """

    limit_s: float
    how: str
    fraction: float | None
    retrain_s: tuple[float, ...]
    key: str
    from_cache: bool
    cpu_pressure: float | None = None

    @property
    def retrain_median_s(self) -> float | None:
        """Median of the measured retraining times, seconds."""
        return statistics.median(self.retrain_s) if self.retrain_s else None


@dataclass(frozen=True)
class Measurement:
    """How long retraining takes here.

    Attributes:
        retrain_s: of each measured retraining, seconds.
        cpu_pressure: as of :class:`Limit`.
        key: cache key.
        from_cache: an earlier run measured it.
    """

    retrain_s: tuple[float, ...]
    cpu_pressure: float | None
    key: str
    from_cache: bool


def measure(
    inputs: Mapping[str, Any],
    retrain: Callable[[int], Sequence[ModelOutcome]],
    measurements: int,
    cache: Cache | None = None,
    pressure_lately: Callable[[], float | None] = pressure.lately,
) -> Measurement:
    """Seconds of retraining, from the cache or measured now.

    What was measured while the machine was busy with other work gives a generous limit: it is measured again by the first run
    that finds the machine at rest.

    Args:
        inputs: all that the time depends on: data, recipe, network, runner, image, CPU and GPU model, cores.
        retrain: runs the bundled ``retrain`` unlearner so often through the runner and tells how each ended.
        measurements: how often.
        cache: where to keep it.
        pressure_lately: share of the last seconds in which something waited for a core; None if unknown.

    Raises:
        BudgetError: retraining did not end well.
    """
    inputs, cache = {**inputs, "format": 2, "measurements": measurements}, cache or Cache("budgets")

    def build(folder: Path) -> None:
        outcomes = retrain(measurements)
        times = [_charged_s(outcome) for outcome in outcomes]
        found = {"retrain_s": times, "cpu_pressure": _pressure(outcomes)}
        (folder / MEASUREMENT).write_text(json.dumps(found))

    def out_of_date(folder: Path) -> bool:
        now = pressure_lately()
        return pressure.busy(_read(folder)["cpu_pressure"]) and now is not None and now < pressure.CALM

    folder, hit = cache.get_or_build(inputs, build, out_of_date)
    found = _read(folder)
    return Measurement(tuple(found["retrain_s"]), found["cpu_pressure"], key_of(inputs), hit)


def _read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / MEASUREMENT).read_text())
    return found


def _pressure(outcomes: Sequence[ModelOutcome]) -> float | None:
    known = [outcome.cpu_pressure for outcome in outcomes if outcome.cpu_pressure is not None]
    return statistics.median(known) if known else None


def _charged_s(outcome: ModelOutcome) -> float:
    if not outcome.status.finished or outcome.charged_s is None:
        detail = outcome.evidence.error_message or outcome.advice
        raise BudgetError(
            f"The retraining time could not be measured: the bundled `retrain` ended with {outcome.status.value}: {detail} "
            "Give more memory, or set the limit yourself with --time-limit SECONDS."
        )
    return outcome.charged_s


def from_fraction(fraction: float, measured: Measurement) -> Limit:
    """The limit as a fraction of the median retraining time."""
    limit_s = fraction * statistics.median(measured.retrain_s)
    return Limit(
        limit_s, "fraction", fraction, measured.retrain_s, measured.key, measured.from_cache, measured.cpu_pressure
    )
