"""Whether a run's times can be relied on, and in words why not."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.pressure import busy
from harness.report.times import TimesRecord

if TYPE_CHECKING:
    from harness.budget import Limit

DRIFT = 1.25
"""Retraining between models over the measured minimum: above this ratio, the machine was slower than when it was measured."""


def undependable(limit: Limit, times: TimesRecord | None = None, remeasured_s: Sequence[float] = ()) -> str:
    """Return why the times of a run are not dependable, as a clause without full stop; empty if they are.

    Processor seconds and examples do not depend on other work on the machine, or hardly; seconds on the clock do.

    Args:
        limit: in force.
        times: of the run's models; None where there are none.
        remeasured_s: retrainings measured between models, in the unit of the limit's clock.
    """
    if limit.clock != "wall":
        return ""
    reasons = (_measuring(limit), _models(times), _drift(limit, remeasured_s))
    return "; ".join(reason for reason in reasons if reason)


def _measuring(limit: Limit) -> str:
    if busy(limit.cpu_pressure):
        return f"something waited for a core for {limit.cpu_pressure:.0%} of the time in which retraining was measured"
    return "retraining was measured on a busy machine (--no-wait)" if limit.at_rest is False else ""


def _models(times: TimesRecord | None) -> str:
    if times is None or not busy(times.cpu_pressure):
        return ""
    return (
        f"something waited for a core for {times.cpu_pressure:.0%} of the models' time (other programs, or more threads of the "
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
