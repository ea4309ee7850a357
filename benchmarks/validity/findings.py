"""Findings of the study on a metric: does it rank the levels correctly, and which share does it detect?

Rules, all on the numbers that any report shows:

- *Badness* is the distance from perfect: the value where less is better, its negative where more is better, and the
  distance from the control where closeness to the reference is.
- The *order* is right where badness rises strictly from level to level, all five of them, and by more than a thousandth of
  its range, since a median over a lattice may differ in the last digits. A pair of levels that is the wrong
  way round may be chance: it counts as *noise* where the 95 % interval of their difference holds 0. The order is wrong where
  a pair is wrong by more, and unsure where the metric has no interval to decide.
- A level is *told* from perfect where the 95 % interval of the difference value - control excludes 0. It is made from both
  intervals: the half-widths that face each other, combined in quadrature (Zou and Donner, "Construction of confidence
  intervals about the difference in effect measures", 2008). That takes the two errors as independent. Both rows are compared with
  the same retrained models, which makes them agree rather than differ, so that the interval is approximate and tends to be too
  wide. To tell retraining is a false alarm.
- A p-value tells by itself: at or below 0.05.
- A metric *detects from* the smallest share such that this level and all above it are told; it is *blind* where it does
  not even tell the no-op, from which nothing was forgotten.
- The *visible share* is where that rule begins to tell, on straight lines between the levels: an estimate for shares that
  no level was trained with.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.judging import is_p_value
from benchmarks.validity.levels import LEVELS
from harness.evaluation import Interval, Metric
from harness.report.findings import LEVEL

Order = Literal["right", "noise", "unsure", "wrong"]
ORDERS: tuple[Order, ...] = ("right", "noise", "unsure", "wrong")
TIE = 1e-3
"""Share of the range of badness up to which two levels count as equal."""

Told = Literal["told", "like control", "no interval"]


@dataclass(frozen=True)
class Finding:
    """One metric on one block of models.

    Attributes:
        values: one per level.
        control: what perfect scores.
        smallest_visible: the smallest difference that the report says it could see; None where it does not say.
        order: whether it ranks the levels truly.
        told: for each level, whether it is distinguished from perfect.
        visible_share: smallest share of the forget set, in [0, 1], detected with all larger ones; None if the no-op is not.
    """

    values: tuple[float, ...]
    control: float
    smallest_visible: float | None
    order: Order
    told: tuple[Told, ...]
    visible_share: float | None


@dataclass(frozen=True)
class Summary:
    """One metric over all blocks of one size.

    Attributes:
        blocks: the findings, one a block.
    """

    blocks: tuple[Finding, ...]

    def orders(self, kind: Order) -> int:
        """Return the number of blocks with this kind of order."""
        return sum(block.order == kind for block in self.blocks)

    def told(self, level: int) -> int:
        """Return the number of blocks on which a level was distinguished from perfect."""
        return sum(block.told[level] == "told" for block in self.blocks)

    @property
    def has_interval(self) -> bool:
        """Return True if all blocks have intervals."""
        return all("no interval" not in block.told for block in self.blocks)

    @property
    def detects_from(self) -> int | None:
        """Return the first level detected on every block, with all later levels; None for a blind metric."""
        told = [self.told(level) == len(self.blocks) for level in range(len(LEVELS))]
        unseen = [level for level, seen in enumerate(told) if not seen]
        first = max(1, unseen[-1] + 1 if unseen else 1)
        return first if first < len(LEVELS) else None

    @property
    def visible_share(self) -> float | None:
        """Return the median over blocks; None if at least half of them detect nothing."""
        shares = sorted(2.0 if block.visible_share is None else block.visible_share for block in self.blocks)
        middle = statistics.median_high(shares)
        return None if middle > 1 else statistics.median(shares)


def find(levels: Sequence[Metric]) -> Finding:
    """Return the finding on one metric; records follow :data:`LEVELS`, each with a value and a control."""
    smallest = levels[0].smallest_visible
    return Finding(
        values=tuple(_value(record) for record in levels),
        control=_control(levels[0]),
        smallest_visible=smallest,
        order=order_of(levels),
        told=tuple(told(record) for record in levels),
        visible_share=visible_share([margin(record) for record in levels]),
    )


def badness(record: Metric) -> float:
    """Return the distance from perfect; see the module."""
    if is_p_value(record):
        return -_value(record)
    if record.direction == "closer_to_reference":
        return abs(_value(record) - _control(record))
    return -_value(record) if record.direction == "higher" else _value(record)


def order_of(levels: Sequence[Metric]) -> Order:
    """Return whether badness rises strictly, and if not, whether chance explains it."""
    all_of_it = [badness(record) for record in levels]
    tie = TIE * (max(all_of_it) - min(all_of_it))
    falls = [(one, other) for one, other in itertools.combinations(levels, 2) if badness(other) - badness(one) <= tie]
    if not falls:
        return "right"
    if any(one.interval is None for one in levels):
        return "unsure"
    return "noise" if all(_by_chance(one, other) for one, other in falls) else "wrong"


def _by_chance(one: Metric, other: Metric) -> bool:
    """Return whether the interval of two levels' difference holds 0."""
    lower, upper = sorted((one, other), key=_value)
    assert lower.interval is not None
    assert upper.interval is not None
    noise = math.hypot(_above(lower.interval, _value(lower)), _below(upper.interval, _value(upper)))
    return abs(badness(one) - badness(other)) <= noise


def told(record: Metric) -> Told:
    """Return whether a level is distinguished from perfect; see the module."""
    beyond = margin(record)
    if beyond is None:
        return "no interval"
    return "told" if beyond >= 0 else "like control"


def margin(record: Metric) -> float | None:
    """Return the margin by which the rule detects a level; negative if it does not, None without intervals.

    It is in the metric's unit; for a p-value, it is the logarithm of the ratio to the significance level.
    """
    if is_p_value(record):
        return math.log(LEVEL / max(_value(record), 1e-12))
    own, perfect = record.interval, record.control_interval
    if own is None or perfect is None:
        return None
    value, control = _value(record), _control(record)
    if value >= control:
        noise = math.hypot(_below(own, value), _above(perfect, control))
    else:
        noise = math.hypot(_above(own, value), _below(perfect, control))
    return abs(value - control) - noise if noise > 0 or value != control else -1.0


def _below(interval: Interval, value: float) -> float:
    return max(0.0, value - interval.low)


def _above(interval: Interval, value: float) -> float:
    return max(0.0, interval.high - value)


def visible_share(margins: Sequence[float | None]) -> float | None:
    """Return the smallest share detected with all larger ones, interpolated linearly between the levels' margins.

    Args:
        margins: of the levels in order.

    Returns:
        None if the last level, the no-op, is not detected or a margin is unknown; 0 if all levels are detected.
    """
    known = [(level.remembered, one) for level, one in zip(LEVELS, margins, strict=True) if one is not None]
    if len(known) < len(LEVELS) or known[-1][1] < 0:
        return None
    for (x0, y0), (x1, y1) in reversed(list(itertools.pairwise(known))):
        if y0 < 0:
            return x0 + (x1 - x0) * y0 / (y0 - y1)
    return 0.0


def _value(record: Metric) -> float:
    return _known(record.value, record)


def _control(record: Metric) -> float:
    return _known(record.control, record)


def _known(number: float | None, record: Metric) -> float:
    if number is None:
        raise ValueError(f"{record.name} has no value or no control")
    return number


def summarise(blocks: Sequence[Mapping[str, Mapping[str, Metric]]]) -> dict[str, Summary]:
    """Return all metrics with a value at every level of every block; ``blocks`` are readings by level."""
    names = [
        name for name in blocks[0][LEVELS[0].name] if all(name in one for block in blocks for one in block.values())
    ]
    return {
        name: Summary(tuple(find([block[level.name][name] for level in LEVELS]) for block in blocks)) for name in names
    }
