"""Plots of forgetting against utility and against time, with intervals and the Pareto frontier."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.comparing.comparison import Point, TradeOff
from harness.comparing.trade_off import frontier
from harness.report.svg.drawing import Frame, Picture, Scale, padded, shortened, shortened_apart
from harness.report.svg.figure import Figure
from harness.report.svg.marks import Ends, Mark, draw_marks, extents
from harness.report.svg.placing import Box
from harness.report.words import duration, number, plain, position_text

FRAME = Frame(width=480, height=400, left=58, right=466, top=14, bottom=346)
LABEL_CHARS, AXIS_CHARS = 22, 32
LOWEST = -0.3  # worse points are drawn at the lower edge, as they would compress the scale for all others


@dataclass(frozen=True)
class Panel:
    """A plot, described by its x axis.

    Attributes:
        title: the plot's title.
        axis: label of the x axis.
        value: reads a point's value on it, in data units.
        ends: reads the ends of that value's interval.
        sign: 1 if more is better, -1 if less is.
        log: the axis is logarithmic.
        perfect: value for retrained models; None if unknown.
        nothing: value for untouched originals; None if undefined.
    """

    title: str
    axis: str
    value: Callable[[Point], float | None]
    ends: Callable[[Point], Ends | None]
    sign: int
    log: bool
    perfect: float | None
    nothing: float | None


def scatters(found: TradeOff | None) -> list[Figure]:
    """Return the plots in which at least two methods have a position; none without a trade-off."""
    if found is None:
        return []
    made = [Figure(panel.title, scatter(panel, found), "") for panel in panels(found)]
    return [figure for figure in made if figure.svg]


def panels(found: TradeOff) -> list[Panel]:
    """Return the plots against utility and against time."""
    return [_utility(found), _time(found)]


def _utility(found: TradeOff) -> Panel:
    scaled = _scaler(100.0 if found.utility_unit == "share" else 1.0)
    named = shortened(plain(found.utility.replace("_", " ").replace(".", " ")), AXIS_CHARS)
    unit = "%" if found.utility_unit == "share" else plain(found.utility_unit)
    return Panel(
        title=f"Forgetting against {named}",
        axis=f"{named}{f', {unit}' if unit else ''} (more is better)",
        value=lambda point: scaled(point.utility),
        ends=lambda point: _both(scaled, point.utility_ends),
        sign=1,
        log=False,
        perfect=scaled(found.utility_control),
        nothing=scaled(found.utility_noop),
    )


def _time(found: TradeOff) -> Panel:
    return Panel(
        title="Forgetting against time",
        axis="seconds per model, median (less is better)",
        value=lambda point: point.time_s,
        ends=lambda point: point.time_ends,
        sign=-1,
        log=True,
        perfect=found.retrain_s,
        nothing=None,
    )


def scatter(panel: Panel, found: TradeOff) -> str:
    """Return the SVG; empty if fewer than two methods have a position in it."""
    marks = [mark for point in found.points if (mark := _mark(panel, point))]
    if len(marks) < 2:
        return ""
    description = f"{panel.axis}. " + "; ".join(mark.hint for mark in marks)
    picture = Picture(FRAME, _x_scale(panel, marks), _y_scale(marks), panel.title, description)
    picture.x_axis(panel.axis)
    picture.y_axis("way from nothing done (0) to perfect (100), %")
    levels = [((FRAME.left, picture.py(at)), (FRAME.right, picture.py(at))) for at in (100.0, 0.0)]
    for level, kind in zip(levels, ("line control", "line noop"), strict=True):
        picture.path(level, kind)
    best = frontier([(panel.sign * mark.x, mark.y) for mark in marks])
    stairs = _frontier(picture, panel, best)
    names = shortened_apart([mark.label for mark in marks], LABEL_CHARS)
    shown = [
        replace(
            mark,
            label=name if mark.y >= picture.y.low else f"{name} ({mark.y:.0f})",
            shape="circle" if mark.y >= picture.y.low else "triangle",
            kind="point best" if (panel.sign * mark.x, mark.y) in best else "point beaten",
        )
        for name, mark in zip(names, marks, strict=True)
    ]
    draw_marks(
        picture,
        [*_ends_of_scale(panel), *shown],
        [_stroke(*pair) for pair in (*levels, *itertools.pairwise(stairs))],
    )
    return picture.text()


def _mark(panel: Panel, point: Point) -> Mark | None:
    """Return a method's point, y in per cent; None if it has no position in the plot."""
    x = panel.value(point)
    if x is None or point.forgetting is None or (panel.log and x <= 0):
        return None
    x_ends = panel.ends(point)
    return Mark(
        label=plain(point.label),
        shape="circle",
        kind="point",
        x=x,
        y=100 * point.forgetting,
        x_ends=None if x_ends and panel.log and x_ends[0] <= 0 else x_ends,
        y_ends=_both(_scaler(100.0), point.forgetting_ends),
        hint=_hint(point),
    )


def _scaler(factor: float) -> Callable[[float | None], float | None]:
    return lambda value: None if value is None else factor * value


def _both(scaled: Callable[[float | None], float | None], ends: Ends | None) -> Ends | None:
    if ends is None:
        return None
    low, high = scaled(ends[0]), scaled(ends[1])
    return None if low is None or high is None else (low, high)


def _x_scale(panel: Panel, marks: Sequence[Mark]) -> Scale:
    values = extents(marks)[0]
    values += [end for end in (panel.perfect, panel.nothing) if end is not None and (end > 0 or not panel.log)]
    return padded(values, panel.log)


def _y_scale(marks: Sequence[Mark]) -> Scale:
    return Scale(max(min(-8.0, *extents(marks)[1]) - 4, 100 * LOWEST), 108.0)


def _frontier(picture: Picture, panel: Panel, best: Sequence[Ends]) -> list[tuple[float, float]]:
    """Draw the frontier as a staircase and return its corners, in pixels."""
    worst = picture.x.low if panel.sign > 0 else picture.x.high
    steps = [(picture.px(panel.sign * best[0][0]), FRAME.bottom)]
    for index, (x, y) in enumerate(best):
        after = panel.sign * best[index + 1][0] if index + 1 < len(best) else worst
        steps += [(picture.px(panel.sign * x), picture.py(y)), (picture.px(after), picture.py(y))]
    picture.path(steps, "line frontier")
    return steps


def _ends_of_scale(panel: Panel) -> list[Mark]:
    """Return the positions of retrained models and untouched originals."""
    marks = []
    if panel.perfect is not None and (panel.perfect > 0 or not panel.log):
        marks.append(Mark("retrained (perfect)", "diamond", "end control", panel.perfect, 100, text="name dim"))
    if panel.nothing is not None:
        marks.append(Mark("nothing done", "square", "end noop", panel.nothing, 0, text="name dim"))
    return marks


def _stroke(start: tuple[float, float], end: tuple[float, float]) -> Box:
    (left, right), (top, bottom) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    return Box(left - 1.5, top - 1.5, right + 1.5, bottom + 1.5)


def _hint(point: Point) -> str:
    parts = [f"{position_text(point.forgetting)} of the way to perfect"]
    parts += [f"utility {number(point.utility)}"] if point.utility is not None else []
    parts += [f"{duration(point.time_s)} per model"] if point.time_s is not None else []
    return f"{plain(point.label)}: {', '.join(parts)}"
