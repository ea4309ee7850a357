"""Scatter plot of utility against forgetting: the plugin, the control and the no-op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.svg.drawing import Frame, Picture, Scale, padded, width_of
from harness.report.svg.placing import Box, place

FRAME = Frame(width=480, height=400, left=66, right=466, top=14, bottom=352)
Ends = tuple[float, float]


@dataclass(frozen=True)
class Spot:
    """A population's point in the plot.

    Attributes:
        name: display name.
        kind: CSS class: "unlearned", "control" or "noop".
        x: in the unit of the axis, like ``y``.
        y: in the unit of the axis.
        x_ends: of x's interval, if known; like ``y_ends``.
        y_ends: of y's interval, if known.
        hint: tooltip.
    """

    name: str
    kind: str
    x: float
    y: float
    x_ends: Ends | None
    y_ends: Ends | None
    hint: str


def plane(spots: Sequence[Spot], axes: tuple[str, str], title: str) -> str:
    """Draw labelled points with intervals in both directions; populations differ in shape as well as colour."""
    x_scale = _scale([(spot.x, spot.x_ends) for spot in spots])
    y_scale = _scale([(spot.y, spot.y_ends) for spot in spots])
    picture = Picture(FRAME, x_scale, y_scale, title, "; ".join(spot.hint for spot in spots) + ".")
    picture.x_axis(axes[0])
    picture.y_axis(axes[1])
    strokes = [box for spot in spots for box in _intervals(picture, spot)]
    for spot in spots:
        _mark(picture, spot)
    _names(picture, spots, strokes)
    return picture.text()


def _scale(values: Sequence[tuple[float, Ends | None]]) -> Scale:
    return padded([one for value, ends in values for one in (value, *(ends or ()))], by=0.14)


def _intervals(picture: Picture, spot: Spot) -> list[Box]:
    """Draw a point's intervals and return their bounding boxes."""
    x, y = picture.px(spot.x), picture.py(spot.y)
    boxes = []
    if spot.x_ends:
        low, high = map(picture.px, spot.x_ends)
        picture.whisker(low, high, y, f"whisker {spot.kind}")
        boxes.append(Box(low, y - 3, high, y + 3))
    if spot.y_ends:
        low, high = map(picture.py, spot.y_ends)
        picture.whisker(low, high, x, f"whisker {spot.kind}", upright=True)
        boxes.append(Box(x - 3, high, x + 3, low))
    return boxes


def _mark(picture: Picture, spot: Spot) -> None:
    x, y = picture.px(spot.x), picture.py(spot.y)
    group = picture.element("g", {"class": f"spot {spot.kind}"})
    picture.element("title", {}, spot.hint, group)
    if spot.kind == "unlearned":
        picture.element("circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "6"}, parent=group)
    elif spot.kind == "control":
        points = f"{x:.1f},{y - 8:.1f} {x + 8:.1f},{y:.1f} {x:.1f},{y + 8:.1f} {x - 8:.1f},{y:.1f}"
        picture.element("polygon", {"points": points}, parent=group)
    else:
        corner = {"x": f"{x - 6:.1f}", "y": f"{y - 6:.1f}", "width": "12", "height": "12"}
        picture.element("rect", corner, parent=group)


def _names(picture: Picture, spots: Sequence[Spot], strokes: Sequence[Box]) -> None:
    area = Box(FRAME.left + 2, 2, FRAME.width - 2, FRAME.bottom - 2)
    marks = [(picture.px(spot.x), picture.py(spot.y)) for spot in spots]
    for spot, box in zip(spots, place(marks, [width_of(spot.name) for spot in spots], area, strokes), strict=True):
        picture.words((box.left + box.right) / 2, box.bottom - 4, spot.name, kind="name")
