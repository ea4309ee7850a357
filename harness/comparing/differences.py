"""Significance tests for differences between two runs' numbers, from their intervals alone.

Two runs on the same task share originals and retrained models, but reports contain intervals and no replicates, so their
covariance is unknown. The test assumes independence and adds the squares of the half-widths towards each other (the *method
of variance estimates recovery*; Zou and Donner, "Construction of confidence limits about the difference of two parameters",
Statistics in Medicine 27, 2008). A positive covariance makes the true spread smaller, so the test is conservative.

The test uses Student's t with n - 1 degrees of freedom, where n is the smaller number of models. All comparisons of a table
are corrected together after Holm (Scandinavian Journal of Statistics 6, 1979), which needs no independence: the chance of any
false mark in a table is at most 5 %, provided that the intervals are valid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import ndtri, stdtr, stdtrit

from harness.evaluation import Interval, Metric

Direction = Literal["higher", "lower", "closer_to_reference", "none"]
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number with its spread to either side, as the standard deviation of a normal distribution with the interval's ends."""

    value: float
    below: float
    above: float

    @property
    def widest(self) -> float:
        """Return the larger of both spreads."""
        return max(self.below, self.above)


@dataclass(frozen=True)
class Tested:
    """The difference between two runs' numbers.

    Attributes:
        value: the second minus the first.
        low: lower end of its 95 % interval.
        high: upper end.
        badness: by how much the second is worse than the first; negative if it is better.
        p: two-sided p-value of ``badness`` being 0; not corrected for multiple comparisons.
    """

    value: float
    low: float
    high: float
    badness: float
    p: float


def estimate(value: float | None, interval: Interval | None) -> Estimate | None:
    """Return an estimate; None if value or interval is missing, or the interval excludes the value."""
    if value is None or interval is None or not interval.low <= value <= interval.high:
        return None
    z = float(ndtri((1 + interval.level) / 2))
    return Estimate(value, (value - interval.low) / z, (interval.high - value) / z)


def difference(first: Metric, second: Metric, models: int, direction: Direction) -> Tested | None:
    """Compare two runs' records of one metric.

    Args:
        first: the baseline's record.
        second: the other run's record.
        models: the smaller number of models of the two runs; at least 2.
        direction: which direction is better; "none" tests for any difference.

    Returns:
        None if a value or interval is missing.
    """
    one, other = estimate(first.value, first.interval), estimate(second.value, second.interval)
    if one is None or other is None or models < 2:
        return None
    signs, shared = _signs(one, other, first, direction), 0.0
    if signs is None:
        return None
    bad = _badness(one, other, signs, first.control)
    if signs[0] != signs[1]:
        control = estimate(first.control, first.control_interval)
        if control is None:
            return None
        shared = 2 * control.widest  # the control enters twice if the values are on opposite sides of it
    spread = math.hypot(_side(other, signs[1] * bad < 0), _side(one, signs[0] * bad > 0), shared)
    change = other.value - one.value
    t = float(stdtrit(models - 1, (1 + LEVEL) / 2))
    low = change - t * math.hypot(other.below, one.above)
    high = change + t * math.hypot(other.above, one.below)
    return Tested(change, low, high, bad, _p(bad, spread, models))


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's step-down procedure, in the given order."""
    order = sorted(range(len(values)), key=values.__getitem__)
    adjusted, reached = [1.0] * len(values), 0.0
    for rank, index in enumerate(order):
        reached = max(reached, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = reached
    return adjusted


def _signs(one: Estimate, other: Estimate, record: Metric, direction: Direction) -> tuple[float, float] | None:
    """Return the sign with which each value enters badness; None if a required control is missing."""
    if direction != "closer_to_reference":
        sign = -1.0 if direction == "higher" else 1.0
        return sign, sign
    if record.control is None:
        return None
    ours, theirs = one.value - record.control, other.value - record.control
    first = math.copysign(1.0, ours or theirs or 1.0)
    return first, math.copysign(1.0, theirs or first)


def _badness(one: Estimate, other: Estimate, signs: tuple[float, float], control: float | None) -> float:
    centre = 0.0 if signs[0] == signs[1] else control or 0.0
    return signs[1] * (other.value - centre) - signs[0] * (one.value - centre)


def _side(number: Estimate, above: bool) -> float:
    return number.above if above else number.below


def _p(value: float, spread: float, models: int) -> float:
    if value == 0:
        return 1.0
    return 0.0 if spread == 0 else 2 * float(stdtr(models - 1, -abs(value) / spread))
