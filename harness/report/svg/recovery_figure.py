"""The plot of ``durability``: the memory of the forget set before and after each change of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.evaluation import Interval, Metric
from harness.report.recovered import EVALUATOR
from harness.report.results import EvaluatorRecord
from harness.report.svg.drawing import Frame, Picture, Scale, padded, width_of
from harness.report.svg.figure import Figure
from harness.report.words import number, plain

TITLE = "Memory of the forget set after changes of the weights"
PREFIX, NO_CONDITION = "memory_", "memory_regained"
ROW = 22.0
KINDS = {"retain": "retain", "bits": "{} bits", "noise": "noise {} %", "before": "before"}


@dataclass(frozen=True)
class Row:
    """A condition with its metric."""

    name: str
    metric: Metric

    @property
    def hint(self) -> str:
        """Describe the row's numbers."""
        parts = {"this plugin": self.metric.value, "control": self.metric.control, "no-op": self.metric.noop}
        return f"{self.name}: " + ", ".join(f"{who} {number(value, 'share')}" for who, value in parts.items())


def recovery(record: EvaluatorRecord) -> Figure | None:
    """Plot the memory by condition, the control's interval as a band; None if it was not measured."""
    rows = [
        Row(_named(one.name), one)
        for one in record.metrics
        if one.name.startswith(PREFIX) and one.name != NO_CONDITION and one.value is not None
    ]
    if record.name != EVALUATOR or not rows:
        return None
    caption = (
        "Share of the no-op's memory, with 95 % intervals; the band is the control's. Retain: a little training on the retain "
        "set, with as many forgotten examples as the number says. A method that only suppresses outputs moves to the right."
    )
    return Figure(TITLE, _drawn(rows), caption, ("unlearned", "control", "noop"))


def _named(metric: str) -> str:
    kind, _, amount = metric.removeprefix(PREFIX).partition("_")
    if kind == "retain" and amount:
        return f"retain + {plain(amount)}"
    return KINDS.get(kind, plain(kind)).format(plain(amount))


def _drawn(rows: Sequence[Row]) -> str:
    left = max(width_of(row.name) for row in rows) + 14
    bottom = 8 + ROW * len(rows)
    frame = Frame(width=480, height=bottom + 48, left=left, right=466, top=8, bottom=bottom)
    picture = Picture(frame, _scale(rows), Scale(0, 1), TITLE, "; ".join(row.hint for row in rows) + ".")
    picture.x_axis("memory of the forget set, % of the no-op's before")
    zero = picture.px(0.0)
    picture.path([(zero, frame.top), (zero, frame.bottom)], "line mark")
    for place, row in enumerate(rows):
        y = frame.top + ROW * (place + 0.5)
        picture.words(frame.left - 8, y + 4.5, row.name, "end")
        _drawn_row(picture, row, y)
    return picture.text()


def _drawn_row(picture: Picture, row: Row, y: float) -> None:
    one = row.metric
    if one.control_interval is not None:
        low, high = _ends(one.control_interval)
        picture.box(picture.px(low), y - 8, picture.px(high), y + 8, "band", row.hint)
    if one.noop is not None:
        at = picture.px(100 * one.noop)
        picture.path([(at, y - 7), (at, y + 7)], "mean noop")
    if one.interval is not None:
        low, high = _ends(one.interval)
        picture.whisker(picture.px(low), picture.px(high), y, "whisker unlearned")
    if one.value is not None:
        picture.dots([(picture.px(100 * one.value), y)], "unlearned", row.hint)


def _ends(interval: Interval) -> tuple[float, float]:
    return 100 * interval.low, 100 * interval.high


def _scale(rows: Sequence[Row]) -> Scale:
    values = [0.0, 100.0]
    for row in rows:
        values += [100 * one for one in (row.metric.value, row.metric.noop) if one is not None]
        values += [end for one in (row.metric.interval, row.metric.control_interval) if one for end in _ends(one)]
    return padded(values, by=0.04)
