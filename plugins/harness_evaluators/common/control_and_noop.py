"""A metric beside its null (the control's value) and its ceiling (the no-op's), and its position between the two."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Direction, Metric
from harness_evaluators.common.bootstrap import Linear, Resamples, Sampled
from harness_evaluators.common.evidence_analysis import MIN_MODELS, Models

Values = NDArray[np.float64]
Distance = Callable[[Values], Values]

Z95 = 1.959963984540054
"""The 97.5 % point of the standard normal distribution."""

FEW_MODELS = 32
"""Fewest models without a warning: below, a test on one example detects a shift of 0.5 sd in less than 38 % of cases."""


@dataclass(frozen=True)
class Rows:
    """One statistic for the unlearned models, the control and the no-op; None where it does not exist."""

    unlearned: Sampled | None = None
    control: Sampled | None = None
    noop: Sampled | None = None


@dataclass(frozen=True)
class Description:
    """The constant part of a metric.

    Attributes:
        name: unique within the evaluator.
        direction: which way is better.
        text: one sentence.
        unit: e.g. "share".
        bounds: the values that the metric can take; intervals are cut to them.
        headline: shown in the terminal summary.
        distance: distance of a value from the ideal, for a metric whose ideal is not at one end of its scale.
        note: limits of the number.
    """

    name: str
    direction: Direction
    text: str
    unit: str = ""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    headline: bool = False
    distance: Distance | None = None
    note: str = ""


def rows_of(statistics: Mapping[str, Linear], resamples: Resamples) -> Rows:
    """Resample one statistic for each row of the report."""
    return Rows(**{row: resamples.linear(row, statistic) for row, statistic in statistics.items()})


def without_interval(values: Mapping[str, float]) -> Rows:
    """Return a statistic for each row of the report without resamples."""
    return Rows(**{row: Sampled(value, None) for row, value in values.items()})


def metric(about: Description, rows: Rows, scale: Rows | None = None) -> Metric:
    """Return the metric with intervals, null, ceiling, position and the smallest visible difference.

    Args:
        about: the metric.
        rows: its values.
        scale: the values that the position is computed from, if these are not ``rows``.
    """
    place = position(rows if scale is None else scale, badness_of(about))
    value, control = rows.unlearned, rows.control
    return Metric(
        name=about.name,
        value=None if value is None else value.value,
        direction=about.direction,
        description=about.text,
        unit=about.unit,
        interval=None if value is None else value.interval(about.bounds),
        control=None if control is None else control.value,
        control_interval=None if control is None else control.interval(about.bounds),
        noop=None if rows.noop is None else rows.noop.value,
        position=None if place is None else place.value,
        smallest_visible=smallest_visible(control),
        headline=about.headline,
        note=about.note,
    )


def position(rows: Rows, badness: Distance) -> Sampled | None:
    """Return (noop - value) / (noop - control): 0 if nothing was forgotten, 1 as after retraining.

    The position may lie outside [0, 1].

    Args:
        rows: the statistic, resampled.
        badness: applied to all three first; grows with the distance from the ideal, so that a deviation to either side
            counts against the method.

    Returns:
        None if a row is missing or cannot be resampled, or if the no-op exceeds the control by less than 1.96 standard
        deviations of their difference: the scale would then be noise.
    """
    if rows.unlearned is None or rows.control is None or rows.noop is None:
        return None
    replicates = [row.replicates for row in (rows.unlearned, rows.control, rows.noop)]
    if any(row is None for row in replicates):
        return None
    value, low, high = badness(np.array([rows.unlearned.value, rows.control.value, rows.noop.value]))
    values, lows, highs = badness(np.array(replicates, dtype=np.float64))
    spans = highs - lows
    if not high - low > Z95 * float(np.std(spans, ddof=1)):
        return None
    usable = spans > 0
    return Sampled(float((high - value) / (high - low)), ((highs - values)[usable] / spans[usable]))


def position_intervals(rows: Mapping[Description, Rows]) -> dict[str, Values]:
    """Return the ends of the positions' 95 % intervals, shape (2,), by ``position_interval_<metric>``, if they exist."""
    found = {about.name: position(values, badness_of(about)) for about, values in rows.items()}
    ends = {name: place.interval() for name, place in found.items() if place is not None}
    return {f"position_interval_{name}": np.array([end.low, end.high]) for name, end in ends.items() if end}


def badness_of(about: Description) -> Distance:
    """Return the function that maps a value to its distance from the ideal, by the metric's direction."""
    if about.distance is not None:
        return about.distance
    return np.negative if about.direction == "higher" else np.positive


def smallest_visible(control: Sampled | None) -> float | None:
    """Return 1.96 sqrt(2) sd(control), the difference that two independent values exceed by chance in 5 % of cases.

    It is conservative, since both values share their retrained models.
    """
    sd = None if control is None else control.sd
    return None if sd is None else Z95 * math.sqrt(2) * sd


def missing(about: Description, why: str) -> Metric:
    """Return a metric without a value; ``why`` is its note."""
    return Metric(about.name, None, about.direction, about.text, about.unit, headline=about.headline, note=why)


def warnings(evaluator: str, models: Models, rows: Mapping[Description, Rows]) -> tuple[str, ...]:
    """Return warnings on the headline metrics: missing ends of the scale, and too few models."""
    sizes = models.sizes()
    without = [row for row in ("control", "noop") if sizes[row] < MIN_MODELS]
    found = (
        [f"{evaluator}: fewer than {MIN_MODELS} models for {' and '.join(without)}: no position."] if without else []
    )
    smallest = min(sizes["unlearned"], sizes["retrained"])
    if smallest < FEW_MODELS:
        found.append(
            f"{evaluator}: {smallest} models per population are few: a shift of half a standard deviation on one example "
            f"mostly goes undetected. Use {FEW_MODELS} or more."
        )
    coarse = [_too_coarse(about, values) for about, values in rows.items() if about.headline]
    return (*found, *(f"{evaluator}.{text}" for text in coarse if text))


def _too_coarse(about: Description, rows: Rows) -> str:
    """Return a warning if half of the no-op's value cannot be distinguished from the control; else an empty string."""
    seen = smallest_visible(rows.control)
    if seen is None or rows.control is None or rows.noop is None:
        return ""
    if seen <= abs(rows.noop.value - rows.control.value) / 2:
        return ""
    return (
        f"{about.name}: with this many models a difference below {seen:.3g} may be chance; that is more than half "
        f"of the distance between no-op and control. Use more models before ranking methods by it."
    )
