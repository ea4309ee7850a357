"""Plots of lines: what changes along an axis, with intervals, beside retrained models and untouched originals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.report.svg.drawing import Frame, Picture, Scale, padded
from harness.report.svg.placing import LINE_HEIGHT

FRAME = Frame(width=480, height=300, left=58, right=452, top=14, bottom=246)


@dataclass(frozen=True)
class Line:
    """A line of a plot.

    Attributes:
        kind: its CSS class, e.g. unlearned, control, noop or mark.
        points: (x, value, low, high); without an interval, the ends are the value.
        hint: name of the line in tooltips.
        label: written at its last point; empty for none.
    """

    kind: str
    points: tuple[tuple[float, float, float, float], ...]
    hint: str
    label: str = ""


def line_plot(
    title: str, axis: str, lines: Sequence[Line], x: Scale, x_axis: Callable[[Picture], None], frame: Frame = FRAME
) -> str:
    """Return the SVG of lines.

    Args:
        title: of the plot.
        axis: label of the y axis.
        lines: with a point or more in all.
        x: scale of the x axis.
        x_axis: draws the x axis.
        frame: position of the plot area.
    """
    values = [value for line in lines for _, *ends in line.points for value in ends]
    description = "; ".join(
        f"{line.hint}: " + ", ".join(f"{at:g}: {y:.3g}" for at, y, _, _ in line.points) for line in lines
    )
    picture = Picture(frame, x, padded(values), title, description)
    x_axis(picture)
    picture.y_axis(axis)
    for line in lines:
        places = [(picture.px(at), picture.py(y)) for at, y, _, _ in line.points]
        if len(places) > 1:
            picture.path(places, f"line {line.kind}")
        _marks(picture, line)
    _labels(picture, [line for line in lines if line.label and line.points])
    return picture.text()


def marked_axis(picture: Picture, marks: Sequence[tuple[float, str]], label: str) -> None:
    """Draw an x axis with these marks: value and text of each."""
    frame = picture.frame
    picture.path([(frame.left, frame.bottom), (frame.right, frame.bottom)], "axis")
    for value, text in marks:
        at = picture.px(value)
        picture.path([(at, frame.bottom), (at, frame.bottom + 4)], "axis")
        picture.words(at, frame.bottom + 18, text)
    picture.words((frame.left + frame.right) / 2, frame.bottom + 36, label)


def _marks(picture: Picture, line: Line) -> None:
    """Draw the points of a line with their intervals."""
    for at, y, low, high in line.points:
        x = picture.px(at)
        group = picture.element("g", {"class": f"spot {line.kind}"})
        picture.element("title", {}, f"{line.hint}, {at:g}: {y:.3g} ({low:.3g} to {high:.3g})", group)
        picture.element("circle", {"cx": f"{x:.1f}", "cy": f"{picture.py(y):.1f}", "r": "3.5"}, parent=group)
        if high > low:
            picture.whisker(picture.py(low), picture.py(high), x, f"whisker {line.kind}", upright=True)


def _labels(picture: Picture, lines: Sequence[Line]) -> None:
    """Write each line's label beside its last point, from the top, without overlaps."""
    lowest = -math.inf
    for line in sorted(lines, key=lambda one: picture.py(one.points[-1][1])):
        at, y, _, _ = line.points[-1]
        lowest = max(picture.py(y) + 4.5, lowest + LINE_HEIGHT)
        picture.words(picture.px(at) + 8, lowest, line.label, "start", "name")
