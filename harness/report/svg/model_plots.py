"""Plots of a run's models: seconds against the limit, accuracies, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.svg.drawing import Frame, Picture, Scale, padded, shortened, width_of
from harness.report.svg.plots import FRAME
from harness.report.words import duration, plain

ROW, GROUP_GAP = 17.0, 12.0
NAME_CHARS = 28
Ends = tuple[float, float]


@dataclass(frozen=True)
class Bar:
    """One model's bar: index, height in seconds (None: never started), whether it finished, and a tooltip."""

    index: int
    seconds: float | None
    ok: bool
    hint: str


def bars(items: Sequence[Bar], limit_s: float | None, title: str, description: str) -> str:
    """Draw seconds per model; failed models in another colour with a cross above, the limit as a line."""
    count = max((item.index for item in items), default=0) + 1
    top = 1.15 * max([item.seconds or 0.0 for item in items] + [limit_s or 0.0, 1e-9])
    picture = Picture(FRAME, Scale(0, count), Scale(0, top), title, description)
    picture.y_axis("seconds charged")
    picture.path([(FRAME.left, FRAME.bottom), (FRAME.right, FRAME.bottom)], "axis")
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, count) if count / size <= 16)
    for index in range(0, count, step):
        picture.words(picture.px(index + 0.5), FRAME.bottom + 18, str(index))
    picture.words((FRAME.left + FRAME.right) / 2, FRAME.bottom + 36, "model")
    for item in items:
        _bar(picture, item)
    if limit_s is not None:
        y = picture.py(limit_s)
        picture.path([(FRAME.left, y), (FRAME.right, y)], "line limit")
        picture.words(FRAME.right, FRAME.top + 10, f"dashed: limit {duration(limit_s)}", "end", "name")
    return picture.text()


def _bar(picture: Picture, item: Bar) -> None:
    left, right = picture.px(item.index + 0.12), picture.px(item.index + 0.88)
    y = picture.py(item.seconds or 0.0)
    picture.box(left, y, right, FRAME.bottom, "bar unlearned" if item.ok else "bar bad", item.hint)
    if not item.ok:
        x, reach = (left + right) / 2, min(4.0, (right - left) / 2)
        picture.path([(x - reach, y - 10 - reach), (x + reach, y - 10 + reach)], "cross")
        picture.path([(x - reach, y - 10 + reach), (x + reach, y - 10 - reach)], "cross")


@dataclass(frozen=True)
class Strip:
    """One row of dots, or one value with its interval.

    Attributes:
        name: display name of the population.
        kind: CSS class.
        values: one value per model, or a single value.
        ends: of the single value's interval; None if the values are models'.
        hint: tooltip.
    """

    name: str
    kind: str
    values: Sequence[float]
    ends: Ends | None
    hint: str


def strips(groups: Sequence[tuple[str, Sequence[Strip]]], axis: str, title: str) -> str:
    """Draw rows of dots in groups on one axis, the mean as a vertical line."""
    rows = sum(len(group) for _, group in groups)
    names = [strip.name for _, group in groups for strip in group]
    left = max(width_of(text) for text in (*names, *(name for name, _ in groups))) + 14
    bottom = 20 + ROW * (rows + len(groups)) + GROUP_GAP * (len(groups) - 1)
    frame = Frame(width=480, height=bottom + 48, left=left, right=466, top=8, bottom=bottom)
    spread = [v for _, group in groups for strip in group for v in (*strip.values, *(strip.ends or ()))]
    description = "; ".join(f"{name}, {strip.hint}" for name, group in groups for strip in group)
    picture = Picture(frame, padded(spread, by=0.04), Scale(0, 1), title, f"{description}.")
    picture.x_axis(axis)
    y = 18.0
    for name, group in groups:
        picture.words(4, y + 4, name, "start", "name strong")
        picture.path([(frame.left, y), (frame.right, y)], "grid")
        for strip in group:
            y += ROW
            picture.words(frame.left - 8, y + 4, strip.name, "end")
            _strip(picture, strip, y)
        y += ROW + GROUP_GAP
    return picture.text()


def _strip(picture: Picture, strip: Strip, y: float) -> None:
    if strip.ends is not None:
        picture.whisker(picture.px(strip.ends[0]), picture.px(strip.ends[1]), y, f"whisker {strip.kind}")
    middle = picture.px(sum(strip.values) / len(strip.values))
    picture.dots([(picture.px(value), y) for value in strip.values], strip.kind, strip.hint)
    picture.path([(middle, y - 7), (middle, y + 7)], f"mean {strip.kind}")


@dataclass(frozen=True)
class Span:
    """A duration in seconds, with 90th percentile and maximum if it was measured more than once."""

    name: str
    kind: str
    seconds: float
    p90_s: float | None = None
    max_s: float | None = None

    @property
    def hint(self) -> str:
        """Return the duration and its spread in words."""
        more = "" if self.p90_s is None else f" (90 % within {duration(self.p90_s)}, longest {duration(self.max_s)})"
        return f"{plain(self.name)} {duration(self.seconds)}{more}"


def spans(items: Sequence[Span], axis: str, title: str) -> str:
    """Draw horizontal bars, each with a whisker to the 90th percentile and a line at the maximum."""
    names = [shortened(plain(item.name), NAME_CHARS) for item in items]
    left = max(map(width_of, names)) + 14
    bottom = 8 + 26.0 * len(items)
    frame = Frame(width=480, height=bottom + 48, left=left, right=400, top=8, bottom=bottom)
    top = max(max(item.seconds, item.p90_s or 0.0, item.max_s or 0.0) for item in items) or 1.0
    picture = Picture(frame, Scale(0, top), Scale(0, 1), title, "; ".join(item.hint for item in items) + ".")
    picture.x_axis(axis)
    for place, (name, item) in enumerate(zip(names, items, strict=True)):
        y = frame.top + 26.0 * (place + 0.5)
        picture.words(frame.left - 8, y + 4.5, name, "end")
        picture.box(frame.left, y - 8, picture.px(item.seconds), y + 8, f"bar {item.kind}", item.hint)
        end = picture.px(item.seconds)
        if item.p90_s is not None and item.max_s is not None:
            picture.whisker(end, picture.px(item.p90_s), y)
            longest = picture.px(item.max_s)
            picture.path([(longest, y - 6), (longest, y + 6)], "axis")
            end = frame.right
        picture.words(end + 6, y + 4.5, duration(item.seconds), "start", "name")
    return picture.text()
