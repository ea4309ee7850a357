"""Plots of forgetting against utility and against time, with intervals and the Pareto frontier."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.comparing.comparison import Point, TradeOff
from harness.comparing.trade_off import frontier
from harness.report.svg.drawing import Frame, Picture, Scale, padded, shortened, shortened_apart, width_of
from harness.report.svg.figure import Figure
from harness.report.svg.placing import Box, place
from harness.report.words import duration, number, plain, position_text

FRAME = Frame(width=480, height=400, left=58, right=466, top=14, bottom=346)
LABEL_CHARS, AXIS_CHARS = 22, 32
LOWEST = -0.3  # worse points are drawn at the lower edge, as they would compress the scale for all others
Ends = tuple[float, float]


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


@dataclass(frozen=True)
class Spot:
    """A point with a position in a panel: its coordinates in data units, y in per cent."""

    point: Point
    x: float
    y: float
    x_ends: Ends | None
    y_ends: Ends | None


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
    spots = [spot for point in found.points if (spot := _spot(panel, point))]
    if len(spots) < 2:
        return ""
    picture = Picture(FRAME, _x_scale(panel, spots), _y_scale(spots), panel.title, _description(panel, spots))
    picture.x_axis(panel.axis)
    picture.y_axis("way from nothing done (0) to perfect (100), %")
    _references(picture)
    best = frontier([(panel.sign * spot.x, spot.y) for spot in spots])
    stairs = _frontier(picture, panel, best)
    for spot in spots:
        _whiskers(picture, spot)
    ends = _ends_of_scale(picture, panel)
    for spot in spots:
        _dot(picture, spot, (panel.sign * spot.x, spot.y) in best)
    _labels(picture, spots, ends, _strokes(picture, spots, stairs))
    return picture.text()


def _spot(panel: Panel, point: Point) -> Spot | None:
    x = panel.value(point)
    if x is None or point.forgetting is None or (panel.log and x <= 0):
        return None
    ends = _both(_scaler(100.0), point.forgetting_ends)
    x_ends = panel.ends(point)
    return Spot(point, x, 100 * point.forgetting, None if x_ends and panel.log and x_ends[0] <= 0 else x_ends, ends)


def _scaler(factor: float) -> Callable[[float | None], float | None]:
    return lambda value: None if value is None else factor * value


def _both(scaled: Callable[[float | None], float | None], ends: Ends | None) -> Ends | None:
    if ends is None:
        return None
    low, high = scaled(ends[0]), scaled(ends[1])
    return None if low is None or high is None else (low, high)


def _x_scale(panel: Panel, spots: Sequence[Spot]) -> Scale:
    values = [value for spot in spots for value in (spot.x, *(spot.x_ends or ()))]
    values += [end for end in (panel.perfect, panel.nothing) if end is not None and (end > 0 or not panel.log)]
    return padded(values, panel.log)


def _y_scale(spots: Sequence[Spot]) -> Scale:
    values = [value for spot in spots for value in (spot.y, *(spot.y_ends or ()))]
    return Scale(max(min(-8.0, *values) - 4, 100 * LOWEST), 108.0)


def _references(picture: Picture) -> None:
    for at, kind in ((100.0, "line control"), (0.0, "line noop")):
        picture.path([(FRAME.left, picture.py(at)), (FRAME.right, picture.py(at))], kind)


def _frontier(picture: Picture, panel: Panel, best: Sequence[Ends]) -> list[tuple[float, float]]:
    """Draw the frontier as a staircase and return its corners, in pixels."""
    worst = picture.x.low if panel.sign > 0 else picture.x.high
    steps = [(picture.px(panel.sign * best[0][0]), FRAME.bottom)]
    for index, (x, y) in enumerate(best):
        after = panel.sign * best[index + 1][0] if index + 1 < len(best) else worst
        steps += [(picture.px(panel.sign * x), picture.py(y)), (picture.px(after), picture.py(y))]
    picture.path(steps, "line frontier")
    return steps


def _whiskers(picture: Picture, spot: Spot) -> None:
    x, y = picture.px(spot.x), picture.py(spot.y)
    if spot.x_ends:
        low, high = map(picture.px, spot.x_ends)
        picture.whisker(low, high, y)
    if spot.y_ends:
        low, high = map(picture.py, spot.y_ends)
        picture.whisker(low, high, x, upright=True)


def _ends_of_scale(picture: Picture, panel: Panel) -> list[tuple[float, float, str]]:
    """Draw the positions of retrained models and untouched originals; return them with their labels."""
    drawn = []
    if panel.perfect is not None and (panel.perfect > 0 or not panel.log):
        x, y = picture.px(panel.perfect), picture.py(100)
        points = f"{x:.1f},{y - 7:.1f} {x + 7:.1f},{y:.1f} {x:.1f},{y + 7:.1f} {x - 7:.1f},{y:.1f}"
        picture.element("polygon", {"class": "end control", "points": points})
        drawn.append((x, y, "retrained (perfect)"))
    if panel.nothing is not None:
        x, y = picture.px(panel.nothing), picture.py(0)
        place_of = {"x": f"{x - 5.5:.1f}", "y": f"{y - 5.5:.1f}", "width": "11", "height": "11"}
        picture.element("rect", {"class": "end noop", **place_of})
        drawn.append((x, y, "nothing done"))
    return drawn


def _dot(picture: Picture, spot: Spot, best: bool) -> None:
    group = picture.element("g", {"class": "point best" if best else "point beaten"})
    picture.element("title", {}, _hint(spot), group)
    x, y = picture.px(spot.x), picture.py(spot.y)
    if spot.y < picture.y.low:
        points = f"{x:.1f},{y + 5:.1f} {x + 6:.1f},{y - 6:.1f} {x - 6:.1f},{y - 6:.1f}"
        picture.element("polygon", {"points": points}, parent=group)
    else:
        picture.element("circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "5.5"}, parent=group)


def _labels(
    picture: Picture, spots: Sequence[Spot], ends: Sequence[tuple[float, float, str]], strokes: Sequence[Box]
) -> None:
    marks = [(picture.px(spot.x), picture.py(spot.y)) for spot in spots] + [(x, y) for x, y, _ in ends]
    names = shortened_apart([plain(spot.point.label) for spot in spots], LABEL_CHARS)
    texts = [_named(name, spot, picture) for name, spot in zip(names, spots, strict=True)]
    texts += [text for _, _, text in ends]
    area = Box(FRAME.left + 2, 2, FRAME.width - 2, FRAME.bottom - 2)
    boxes = place(marks, [width_of(text) for text in texts], area, strokes)
    for index, (mark, text, box) in enumerate(zip(marks, texts, boxes, strict=True)):
        _leader(picture, mark, box)
        kind = "name" if index < len(spots) else "name dim"
        picture.words((box.left + box.right) / 2, box.bottom - 4, text, kind=kind)


def _named(name: str, spot: Spot, picture: Picture) -> str:
    """Append the value to the label of a point below the axis."""
    return f"{name} ({spot.y:.0f})" if spot.y < picture.y.low else name


def _strokes(picture: Picture, spots: Sequence[Spot], stairs: Sequence[tuple[float, float]]) -> list[Box]:
    """Return all lines of the plot as boxes."""
    levels = [((FRAME.left, picture.py(at)), (FRAME.right, picture.py(at))) for at in (0.0, 100.0)]
    for spot in spots:
        x, y = picture.px(spot.x), picture.py(spot.y)
        if spot.x_ends:
            levels.append(((picture.px(spot.x_ends[0]), y), (picture.px(spot.x_ends[1]), y)))
        if spot.y_ends:
            levels.append(((x, picture.py(spot.y_ends[0])), (x, picture.py(spot.y_ends[1]))))
    return [_stroke(*pair) for pair in (*levels, *itertools.pairwise(stairs))]


def _stroke(start: tuple[float, float], end: tuple[float, float]) -> Box:
    (left, right), (top, bottom) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    return Box(left - 1.5, top - 1.5, right + 1.5, bottom + 1.5)


def _leader(picture: Picture, mark: tuple[float, float], box: Box) -> None:
    """Draw a thin line from a distant label to its point."""
    at = min(max(mark[0], box.left), box.right), min(max(mark[1], box.top), box.bottom)
    if abs(at[0] - mark[0]) + abs(at[1] - mark[1]) > 16:
        picture.path([mark, at], "leader")


def _description(panel: Panel, spots: Sequence[Spot]) -> str:
    return f"{panel.axis}. " + "; ".join(_hint(spot) for spot in spots)


def _hint(spot: Spot) -> str:
    point = spot.point
    parts = [f"{position_text(point.forgetting)} of the way to perfect"]
    parts += [f"utility {number(point.utility)}"] if point.utility is not None else []
    parts += [f"{duration(point.time_s)} per model"] if point.time_s is not None else []
    return f"{plain(point.label)}: {', '.join(parts)}"
