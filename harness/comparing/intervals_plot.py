"""Plot of one metric of all methods: values with intervals, and lines for control and no-op."""

from __future__ import annotations

from collections.abc import Sequence

from harness.comparing import words
from harness.comparing.comparison import Cell, Comparison, Row
from harness.report.svg.drawing import Frame, Picture, Scale, padded, shortened_apart, width_of
from harness.report.words import axis_label, interval, number, plain

WIDTH, ROW_HEIGHT, TOP, BELOW = 480.0, 24.0, 8.0, 46.0
LABEL_CHARS = 20


def intervals_plot(comparison: Comparison, row: Row) -> str:
    """Return the SVG; empty if no method has a value."""
    factor = 100.0 if row.metric.unit == "share" else 1.0
    values = _values(row, factor)
    if not values:
        return ""
    names = shortened_apart([plain(method.label) for method in comparison.methods], LABEL_CHARS)
    frame = _frame(names)
    levels = Scale(len(names) - 0.5, -0.5) if len(names) > 1 else Scale(0.5, -0.5)
    picture = Picture(frame, padded(values), levels, words.heading(row), _description(comparison, row))
    picture.x_axis(axis_label("value", row.metric))  # the name is the title
    for value, kind in ((_first(row, "control"), "line control"), (_first(row, "noop"), "line noop")):
        if value is not None:
            at = picture.px(factor * value)
            picture.path([(at, frame.top), (at, frame.bottom)], kind)
    for index, (name, cell) in enumerate(zip(names, row.cells, strict=True)):
        y = frame.top + ROW_HEIGHT * (index + 0.5)
        picture.words(frame.left - 8, y + 4.5, name, "end", "name")
        _method(picture, comparison, cell, y, factor)
    return picture.text()


def _frame(names: Sequence[str]) -> Frame:
    left = max(width_of(name) for name in names) + 14
    bottom = TOP + ROW_HEIGHT * len(names)
    return Frame(width=WIDTH, height=bottom + BELOW, left=left, right=WIDTH - 26, top=TOP, bottom=bottom)


def _method(picture: Picture, comparison: Comparison, cell: Cell, y: float, factor: float) -> None:
    metric = cell.metric
    if metric is None or metric.value is None:
        picture.words(picture.frame.left + 8, y + 4.5, "no value", "start")
        return
    if metric.interval is not None:
        low, high = picture.px(factor * metric.interval.low), picture.px(factor * metric.interval.high)
        picture.whisker(low, high, y)
    said = words.said(comparison, cell)
    group = picture.element("g", {"class": "point best"})
    hint = f"{number(metric.value, metric.unit)} ({interval(metric.interval, metric.unit) or 'no interval'})"
    picture.element("title", {}, f"{hint}, {said.meaning}" if said else hint, group)
    picture.element(
        "circle", {"cx": f"{picture.px(factor * metric.value):.1f}", "cy": f"{y:.1f}", "r": "5"}, parent=group
    )
    if said:
        picture.words(picture.frame.right + 14, y + 4.5, said.sign, kind=f"sign {said.tone}")


def _values(row: Row, factor: float) -> list[float]:
    found = [cell.metric for cell in row.cells if cell.metric is not None and cell.metric.value is not None]
    ends = [end for one in found if one.interval for end in (one.interval.low, one.interval.high)]
    own = [one.value for one in found if one.value is not None]
    scale = [value for value in (_first(row, "control"), _first(row, "noop")) if value is not None]
    return [factor * value for value in (*own, *ends, *scale)] if own else []


def _first(row: Row, name: str) -> float | None:
    """Return control or no-op of the first method that has it."""
    found = (getattr(cell.metric, name) for cell in row.cells if cell.metric is not None)
    return next((value for value in found if value is not None), None)


def _description(comparison: Comparison, row: Row) -> str:
    told = []
    for method, cell in zip(comparison.methods, row.cells, strict=True):
        value = None if cell.metric is None else cell.metric.value
        said = words.said(comparison, cell)
        told.append(f"{plain(method.label)} {number(value, row.metric.unit)}{f', {said.meaning}' if said else ''}")
    control, noop = words.ends_of_scale(row)
    return f"On {plain(comparison.task.name)}: {'; '.join(told)}. Perfect: {control}; nothing done: {noop}."
