"""Dependency-free SVG plots with two axes, shared by all pages; a page needs neither network nor script.

Colours come from the page's CSS classes and follow a dark theme; shapes and dashes repeat them for colour-blind readers.
Every picture has a title and a description, every point a tooltip.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from harness.core.text import harmless

LARGEST = 1e290  # larger values are clipped: differences between them could overflow
CHAR_WIDTH = 7.7  # upper estimate for the page's 13 px sans-serif font


@dataclass(frozen=True)
class Frame:
    """Position of the plot area within the picture, in SVG user units.

    Attributes:
        width: of the picture.
        height: of the picture.
        left: of the plot area, like the other three.
        right: from the picture's left edge.
        top: of the plot area.
        bottom: from the picture's top edge.
    """

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Scale:
    """One axis in data units; an empty range is widened."""

    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """Map ``low`` to 0 and ``high`` to 1; values beyond are clipped."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return (at - low) / ((high - low) or 1.0)

    def ticks(self, about: int = 5) -> list[float]:
        """Return round numbers within the range: 1, 2 and 5 times powers of ten."""
        if self.log:
            return self._log_ticks(about)
        raw = ((self.high - self.low) or 1.0) / about
        if not math.isfinite(raw):
            return []
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]

    def _log_ticks(self, about: int) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1, 2, 5), (1, 3), (1,)):
            found = [round(f * 10.0**d, 12) for d in decades for f in factors if self.low <= f * 10.0**d <= self.high]
            if len(found) <= 2 * about:
                break
        return found


def padded(values: Sequence[float], log: bool = False, by: float = 0.08) -> Scale:
    """Return a scale that contains all values with a margin on both sides, up to LARGEST; log scales need positive values."""
    low, high = (min(max(end, -LARGEST), LARGEST) for end in (min(values), max(values)))
    if log:
        room = max((high / low) ** by, 1.1)
        return Scale(low / room, high * room, log=True)
    room = (high - low) * by or abs(high) * 0.05 or 1.0
    return Scale(low - room, high + room)


class Picture:
    """An SVG element with a plot, drawn in data units."""

    def __init__(self, frame: Frame, x: Scale, y: Scale, title: str, description: str) -> None:
        self.frame, self.x, self.y = frame, x, y
        digest = hashlib.sha256(f"{title}\0{description}".encode()).hexdigest()[:12]
        names = f"title-{digest}", f"description-{digest}"
        view = f"0 0 {frame.width:g} {frame.height:g}"
        self.svg = ElementTree.Element("svg", {"viewBox": view, "role": "img", "aria-labelledby": " ".join(names)})
        for tag, name, text in zip(("title", "desc"), names, (title, description), strict=True):
            self.element(tag, {"id": name}, text)

    def text(self) -> str:
        """Return the SVG as escaped text."""
        return ElementTree.tostring(self.svg, encoding="unicode")

    def px(self, value: float) -> float:
        """Return the x coordinate of a value."""
        return self.frame.left + (self.frame.right - self.frame.left) * self.x.share(value)

    def py(self, value: float) -> float:
        """Return the y coordinate of a value."""
        return self.frame.bottom - (self.frame.bottom - self.frame.top) * self.y.share(value)

    def element(
        self, tag: str, attributes: dict[str, str], text: str = "", parent: ElementTree.Element | None = None
    ) -> ElementTree.Element:
        """Add an element, in SVG user units."""
        made = ElementTree.SubElement(self.svg if parent is None else parent, tag, attributes)
        made.text = harmless(text) or None
        return made

    def words(
        self, x: float, y: float, text: str, anchor: str = "middle", kind: str = "", turned: bool = False
    ) -> None:
        """Draw text at a position in SVG user units."""
        attributes = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
        if kind:
            attributes["class"] = kind
        if turned:
            attributes["transform"] = f"rotate(-90 {x:.1f} {y:.1f})"
        self.element("text", attributes, text)

    def path(self, points: Sequence[tuple[float, float]], kind: str, parent: ElementTree.Element | None = None) -> None:
        """Draw a line through points in SVG user units."""
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.element("polyline", {"class": kind, "points": steps}, parent=parent)

    def area(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a filled polygon with corners in SVG user units."""
        self.element("polygon", {"class": kind, "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in points)})

    def dots(self, points: Iterable[tuple[float, float]], kind: str, hint: str = "") -> None:
        """Draw dots as one path with round line caps, which stays small for many dots; in SVG user units."""
        steps = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)
        path = self.element("path", {"class": f"dots {kind}", "d": steps})
        if hint:
            self.element("title", {}, hint, path)

    def box(self, left: float, top: float, right: float, bottom: float, kind: str, hint: str = "") -> None:
        """Draw a rectangle of at least half a unit with a tooltip, in SVG user units."""
        place = {"x": left, "y": top, "width": max(right - left, 0.5), "height": max(bottom - top, 0.5)}
        made = self.element("rect", {"class": kind} | {name: f"{value:.1f}" for name, value in place.items()})
        if hint:
            self.element("title", {}, hint, made)

    def whisker(self, low: float, high: float, at: float, kind: str = "whisker", upright: bool = False) -> None:
        """Draw an interval with end caps, horizontal or vertical, in SVG user units."""
        points = [(low, at - 3), (low, at + 3), (low, at), (high, at), (high, at - 3), (high, at + 3)]
        self.path([(y, x) for x, y in points] if upright else points, kind)

    def x_axis(self, label: str, within: tuple[float, float] = (-math.inf, math.inf)) -> None:
        """Draw the lower axis with its label and the ticks ``within`` a range."""
        frame = self.frame
        self.path([(frame.left, frame.bottom), (frame.right, frame.bottom)], "axis")
        taken = -math.inf
        for tick in (one for one in self.x.ticks() if within[0] <= one <= within[1]):
            at = self.px(tick)
            self.path([(at, frame.bottom), (at, frame.bottom + 4)], "axis")
            text = f"{tick:g}"
            if at - width_of(text) / 2 > taken:
                self.words(at, frame.bottom + 18, text)
                taken = at + width_of(text) / 2 + 3
        middle = (frame.left + frame.right) / 2
        label = shortened(label, int(2 * min(middle, frame.width - middle) / CHAR_WIDTH))
        self.words(middle, frame.bottom + 36, label)

    def y_axis(self, label: str) -> None:
        """Draw the left axis with its ticks and label."""
        frame = self.frame
        self.path([(frame.left, frame.top), (frame.left, frame.bottom)], "axis")
        for tick in self.y.ticks():
            self.path([(frame.left - 4, self.py(tick)), (frame.left, self.py(tick))], "axis")
            self.words(frame.left - 7, self.py(tick) + 4.5, f"{tick:g}", "end")
        label = shortened(label, int(frame.height / CHAR_WIDTH))
        self.words(13, (frame.top + frame.bottom) / 2, label, turned=True)


def width_of(text: str) -> float:
    """Estimate the width of a text, in SVG user units."""
    return CHAR_WIDTH * len(text)


def shortened(text: str, chars: int) -> str:
    """Truncate a text longer than ``chars`` with an ellipsis."""
    return text if len(text) <= chars else f"{text[: chars - 1]}…"


def shortened_apart(texts: Sequence[str], chars: int) -> list[str]:
    """Truncate texts longer than ``chars``, in the middle if their beginnings are equal, else at the end.

    Folder names that begin with a timestamp often have equal beginnings.
    """
    cut = [shortened(text, chars) for text in texts]
    half = (chars - 1) // 2
    return [
        f"{text[: chars - 1 - half]}…{text[-half:]}" if len(text) > chars and cut.count(short) > 1 else short
        for text, short in zip(texts, cut, strict=True)
    ]
