"""Reliability of a run's times, and its wording."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.core.pressure import busy
from harness.report.times import TimesRecord

if TYPE_CHECKING:
    from harness.runs.budget import Limit

DRIFT = 1.25
"""Ratio of retraining between models to the measured minimum above which the machine counts as slowed down."""


def undependable(limit: Limit, times: TimesRecord | None = None, remeasured_s: Sequence[float] = ()) -> str:
    """Return why the times of a run are unreliable, as a clause without full stop; empty if they are reliable.

    CPU seconds and examples hardly depend on other load on the machine; wall-clock seconds do.

    Args:
        limit: in force.
        times: of the run's models; None if there are none.
        remeasured_s: retrainings measured between models, in the unit of the limit's clock.
    """
    if limit.clock != "wall":
        return ""
    reasons = (_measuring(limit), _models(times), _drift(limit, remeasured_s))
    return "; ".join(reason for reason in reasons if reason)


def _measuring(limit: Limit) -> str:
    if busy(limit.cpu_pressure):
        return f"processes waited for a core for {limit.cpu_pressure:.0%} of the time in which retraining was measured"
    return "retraining was measured on a busy machine (--no-wait)" if limit.at_rest is False else ""


def _models(times: TimesRecord | None) -> str:
    if times is None or not busy(times.cpu_pressure):
        return ""
    return (
        f"processes waited for a core for {times.cpu_pressure:.0%} of the models' time (other programs, or more threads of the "
        "plugin than it has cores)"
    )


def _drift(limit: Limit, remeasured_s: Sequence[float]) -> str:
    if not remeasured_s or not limit.retrain_min_s:
        return ""
    ratio = statistics.median(remeasured_s) / limit.retrain_min_s
    return (
        f"retraining between the models took {ratio:.1f} times as long as when the limit was set"
        if ratio > DRIFT
        else ""
    )
