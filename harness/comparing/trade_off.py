"""Forgetting against utility and time, and which runs are dominated."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.comparing.comparison import Method, Point, TradeOff
from harness.errors import UsageError
from harness.evaluation import Interval
from harness.report.document import Report

FORGETTING = ("forgetting.memory_left_worst", "lira.auc")
"""Default metrics for ranking and plots: the first that any of the reports has."""

UTILITY = "accuracy.test"
SECONDS = ("efficiency", "unlearn_median")
Ends = tuple[float, float]


def forgetting_metric(reports: Sequence[Report]) -> str:
    """Return the default metric of forgetting for these reports."""
    had = (name for name in FORGETTING if any(report.named(name) for report in reports))
    return next(had, FORGETTING[-1])


def check_names(reports: Sequence[Report], forgetting: str, utility: str) -> None:
    """Raise UsageError if a metric that is not the default one is in none of the reports."""
    for name, default in ((forgetting, FORGETTING[-1]), (utility, UTILITY)):
        if name != default and not any(report.named(name) for report in reports):
            raise UsageError(
                f"No metric {name!r} is in these reports. Metrics are named evaluator.metric, e.g. {default}."
            )


def trade_off(runs: Sequence[Method], forgetting: str, utility: str = UTILITY) -> TradeOff | None:
    """Return every run's position; None if fewer than two runs have one.

    Raises:
        UsageError: no run has a metric that was requested by name.
    """
    check_names([one.report for one in runs], forgetting, utility)
    points = [_point(one, forgetting, utility) for one in runs]
    return trade_off_of(points, runs[0].report, forgetting, utility)


def trade_off_of(points: Sequence[Point], first: Report, forgetting: str, utility: str) -> TradeOff | None:
    """Return positions with the ends of their scales, which are those of ``first``; None if fewer than two are known."""
    if sum(point.forgetting is not None for point in points) < 2:
        return None
    metric = first.named(utility)
    return TradeOff(
        forgetting=forgetting,
        utility=utility,
        utility_unit=metric.unit if metric else "",
        utility_control=metric.control if metric else None,
        utility_noop=metric.noop if metric else None,
        retrain_s=first.budget.retrain_median_s,
        points=with_dominated(points),
    )


def with_dominated(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points, each with the labels of those that dominate it."""
    return tuple(replace(point, dominated_by=tuple(_dominating(point, points))) for point in points)


def forgotten(position: float) -> float:
    """Return 1 minus the distance to the control, so that overshooting counts like falling short."""
    return 1 - abs(1 - position)


def forgotten_ends(low: float, high: float) -> Ends:
    """Return the lowest and highest value of :func:`forgotten` over an interval of positions."""
    ends = sorted((forgotten(low), forgotten(high)))
    return ends[0], 1.0 if low <= 1 <= high else ends[1]


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the Pareto-optimal points (more is better on both axes), by falling first value."""
    best: list[tuple[float, float]] = []
    for x, y in sorted(set(points), reverse=True):
        if not best or y > best[-1][1]:
            best.append((x, y))
    return best


def _point(one: Method, forgetting: str, utility: str) -> Point:
    report = one.report
    worth = report.named(utility)
    seconds, seconds_ends = seconds_per_model(report)
    place, place_ends = way_to_perfect(report, forgetting)
    return Point(
        label=one.label,
        forgetting=place,
        forgetting_ends=place_ends,
        utility=worth.value if worth else None,
        utility_ends=_ends(worth.interval if worth else None),
        time_s=seconds,
        time_ends=seconds_ends,
    )


def way_to_perfect(report: Report, name: str) -> tuple[float | None, Ends | None]:
    """Return how much a run forgot by a metric (:func:`forgotten`), and its interval; None if unknown."""
    metric = report.named(name)
    if metric is None or metric.position is None:
        return None, None
    ends = position_ends(report, name)
    return forgotten(metric.position), None if ends is None else forgotten_ends(*ends)


def position_ends(report: Report, name: str) -> Ends | None:
    """Return the interval of a metric's position between no-op (0) and control (1); None if unknown."""
    evaluator, _, short = name.partition(".")
    record = report.evaluator(evaluator)
    ends = np.asarray(record.arrays.get(f"position_interval_{short}", []) if record else [], dtype=np.float64)
    return (float(ends[0]), float(ends[1])) if ends.shape == (2,) else None


def seconds_per_model(report: Report) -> tuple[float | None, Ends | None]:
    """Return the median seconds per finished model, from the evaluator's record if there is one."""
    metric = report.metric(*SECONDS)
    if metric is not None and metric.value is not None:
        return metric.value, _ends(metric.interval)
    charged = [model.charged_s for model in report.models if model.status.finished and model.charged_s is not None]
    return (statistics.median(charged), None) if charged else (None, None)


def _ends(interval: Interval | None) -> Ends | None:
    return None if interval is None else (interval.low, interval.high)


def _dominating(point: Point, points: Sequence[Point]) -> Iterator[str]:
    ours = _goodness(point)
    for other in points:
        theirs = _goodness(other)
        if ours and theirs and ours != theirs and all(b >= a for a, b in zip(ours, theirs, strict=True)):
            yield other.label


def _goodness(point: Point) -> tuple[float, float, float] | None:
    """Return forgetting, utility and negated time, of each of which more is better; None if any is missing."""
    if point.forgetting is None or point.utility is None or point.time_s is None:
        return None
    return point.forgetting, point.utility, -point.time_s
