"""Labelled points of a scatter plot, with intervals in both directions; groups differ in shape as well as colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.report.svg.drawing import Picture, width_of
from harness.report.svg.placing import Box, place

LEADER = 16.0  # a label farther from its point is connected to it by a line
Ends = tuple[float, float]
Shape = Literal["circle", "diamond", "square", "triangle"]


@dataclass(frozen=True)
class Mark:
    """A point and its label.

    Attributes:
        label: display name.
        shape: of the point.
        kind: CSS classes of the point.
        x: in data units, like ``y``.
        y: in data units.
        x_ends: of x's interval, if known; like ``y_ends``.
        y_ends: of y's interval, if known.
        hint: tooltip.
        whisker: CSS classes of the intervals.
        text: CSS classes of the label.
    """

    label: str
    shape: Shape
    kind: str
    x: float
    y: float
    x_ends: Ends | None = None
    y_ends: Ends | None = None
    hint: str = ""
    whisker: str = "whisker"
    text: str = "name"


def extents(marks: Sequence[Mark]) -> tuple[list[float], list[float]]:
    """Return all values on the x axis and all on the y axis, ends of intervals included."""
    return (
        [value for mark in marks for value in (mark.x, *(mark.x_ends or ()))],
        [value for mark in marks for value in (mark.y, *(mark.y_ends or ()))],
    )


def draw_marks(picture: Picture, marks: Sequence[Mark], lines: Sequence[Box] = ()) -> None:
    """Draw points, intervals and labels; labels avoid points, each other, and if possible intervals and ``lines``."""
    crossed = [*lines, *(box for mark in marks for box in _intervals(picture, mark))]
    for mark in marks:
        _point(picture, mark)
    frame = picture.frame
    area = Box(frame.left + 2, 2, frame.width - 2, frame.bottom - 2)
    points = [(picture.px(mark.x), picture.py(mark.y)) for mark in marks]
    boxes = place(points, [width_of(mark.label) for mark in marks], area, crossed)
    for mark, point, box in zip(marks, points, boxes, strict=True):
        _leader(picture, point, box)
        picture.words((box.left + box.right) / 2, box.bottom - 4, mark.label, kind=mark.text)


def _intervals(picture: Picture, mark: Mark) -> list[Box]:
    """Draw a point's intervals and return their bounding boxes."""
    x, y = picture.px(mark.x), picture.py(mark.y)
    boxes = []
    if mark.x_ends:
        low, high = map(picture.px, mark.x_ends)
        picture.whisker(low, high, y, mark.whisker)
        boxes.append(Box(low, y - 3, high, y + 3))
    if mark.y_ends:
        low, high = map(picture.py, mark.y_ends)
        picture.whisker(low, high, x, mark.whisker, upright=True)
        boxes.append(Box(x - 3, high, x + 3, low))
    return boxes


def _point(picture: Picture, mark: Mark) -> None:
    x, y = picture.px(mark.x), picture.py(mark.y)
    group = picture.element("g", {"class": mark.kind})
    if mark.hint:
        picture.element("title", {}, mark.hint, group)
    corners = {
        "diamond": [(x, y - 7), (x + 7, y), (x, y + 7), (x - 7, y)],
        "square": [(x - 5.5, y - 5.5), (x + 5.5, y - 5.5), (x + 5.5, y + 5.5), (x - 5.5, y + 5.5)],
        "triangle": [(x, y + 5), (x + 6, y - 6), (x - 6, y - 6)],
    }
    if mark.shape == "circle":
        picture.element("circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "5.5"}, parent=group)
    else:
        points = " ".join(f"{across:.1f},{down:.1f}" for across, down in corners[mark.shape])
        picture.element("polygon", {"points": points}, parent=group)


def _leader(picture: Picture, point: tuple[float, float], box: Box) -> None:
    """Draw a thin line from a distant label to its point."""
    at = min(max(point[0], box.left), box.right), min(max(point[1], box.top), box.bottom)
    if abs(at[0] - point[0]) + abs(at[1] - point[1]) > LEADER:
        picture.path([point, at], "leader")
