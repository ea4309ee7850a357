"""Parts of the pictures of the glossary: seeded values, strips of dots, bars, outlines and notes."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from random import Random
from statistics import fmean

from harness.report.svg.drawing import Frame, Picture, Scale
from harness.report.svg.example_plots import swarm

FRAME = Frame(width=480, height=250, left=58, right=466, top=14, bottom=202)


def seeded(seed: int) -> Random:
    """Return a generator whose values are the same on every machine."""
    return Random(seed)  # noqa: S311  (values of a drawing)


def draws(random: Random, count: int, mean: float = 0.0, deviation: float = 1.0) -> list[float]:
    """Return normal values."""
    return [random.normalvariate(mean, deviation) for _ in range(count)]


def started(
    title: str, description: str, x: tuple[float, float], y: tuple[float, float], frame: Frame = FRAME
) -> Picture:
    """Return a picture with these ranges of its axes."""
    return Picture(frame, Scale(*x), Scale(*y), title, description)


def upright(picture: Picture, at: float, kind: str) -> None:
    """Draw an upright line at a value of the x axis."""
    picture.path([(picture.px(at), picture.frame.top), (picture.px(at), picture.frame.bottom)], kind)


def curve(picture: Picture, points: Sequence[tuple[float, float]], kind: str) -> None:
    """Draw a line through points in data units."""
    picture.path([(picture.px(x), picture.py(y)) for x, y in points], kind)


def note(picture: Picture, x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> None:
    """Write a text at a position in data units."""
    picture.words(picture.px(x), picture.py(y), text, anchor, f"name {kind}".strip())


def strip(picture: Picture, values: Sequence[float], y: float, kind: str) -> None:
    """Draw a dot for each value and an upright line at their mean; ``y`` in SVG user units."""
    picture.dots(swarm([picture.px(value) for value in values], y), kind)
    middle = picture.px(fmean(values))
    picture.path([(middle, y - 13), (middle, y + 13)], f"mean {kind}")


def rows(picture: Picture, names: Sequence[tuple[str, str]]) -> list[float]:
    """Write the names of rows, each with its kind, left of the plot; return the rows' middles in SVG user units."""
    frame = picture.frame
    height = (frame.bottom - frame.top) / len(names)
    middles = [frame.top + height * (place + 0.5) for place in range(len(names))]
    for (name, kind), y in zip(names, middles, strict=True):
        picture.words(frame.left - 8, y + 4.5, name, "end", f"name {kind}".strip())
    return middles


def bars(picture: Picture, shares: Sequence[tuple[str, str, float]], unit: str) -> None:
    """Draw horizontal bars: name, kind and value of each."""
    for (_, kind, value), y in zip(shares, rows(picture, [one[:2] for one in shares]), strict=True):
        picture.box(picture.frame.left, y - 14, picture.px(value), y + 14, f"bar {kind}")
        picture.words(picture.px(value) + 8, y + 4.5, f"{value:g} {unit}", "start", "name")


def outline(picture: Picture, values: Sequence[float], edges: Sequence[float], kind: str, filled: bool) -> None:
    """Draw the outline of a histogram, in per cent of the values."""
    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[min(max(bisect.bisect_right(edges, value) - 1, 0), len(counts) - 1)] += 1
    heights = [0.0, *(100 * count / len(values) for count in counts for _ in (0, 1)), 0.0]
    points = [(picture.px(x), picture.py(y)) for x, y in zip((e for e in edges for _ in (0, 1)), heights, strict=True)]
    if filled:
        picture.area(points, f"fill {kind}")
    picture.path(points, f"line {kind}")


def steps(low: float, high: float, count: int) -> list[float]:
    """Return the edges of equal bins."""
    return [low + (high - low) * place / count for place in range(count + 1)]
