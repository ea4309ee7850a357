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
    """

    limit_s: float
    how: str
    fraction: float | None
    retrain_s: tuple[float, ...]
    key: str
    from_cache: bool

    @property
    def retrain_median_s(self) -> float | None:
        """Median of the measured retraining times, seconds."""
        return statistics.median(self.retrain_s) if self.retrain_s else None


def measure(
    inputs: Mapping[str, Any],
    retrain: Callable[[int], Sequence[ModelOutcome]],
    measurements: int,
    cache: Cache | None = None,
) -> tuple[tuple[float, ...], str, bool]:
    """Seconds of retraining, from the cache or measured now.

    Args:
        inputs: all that the time depends on: data, recipe, network, runner, image, CPU and GPU model, cores.
        retrain: runs the bundled ``retrain`` unlearner so often through the runner and tells how each ended.
        measurements: how often.
        cache: where to keep it.

    Returns:
        the times, the cache key, and whether they came from the cache.

    Raises:
        BudgetError: retraining did not end well.
    """
    inputs = {**inputs, "format": 1, "measurements": measurements}

    def build(folder: Path) -> None:
        times = [_charged_s(outcome) for outcome in retrain(measurements)]
        (folder / MEASUREMENT).write_text(json.dumps({"retrain_s": times}))

    folder, hit = (cache or Cache("budgets")).get_or_build(inputs, build)
    times = json.loads((folder / MEASUREMENT).read_text())["retrain_s"]
    return tuple(times), key_of(inputs), hit


def _charged_s(outcome: ModelOutcome) -> float:
    if not outcome.status.finished or outcome.charged_s is None:
        detail = outcome.evidence.error_message or outcome.advice
        raise BudgetError(
            f"The retraining time could not be measured: the bundled `retrain` ended with {outcome.status.value}: {detail} "
            "Give more memory, or set the limit yourself with --time-limit SECONDS."
        )
    return outcome.charged_s


def from_fraction(fraction: float, retrain_s: tuple[float, ...], key: str, from_cache: bool) -> Limit:
    """The limit as a fraction of the median retraining time."""
    return Limit(fraction * statistics.median(retrain_s), "fraction", fraction, retrain_s, key, from_cache)
