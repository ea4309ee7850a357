"""Small plots as SVG elements, made by hand so that a page needs neither network nor script.

Colours come from the page's CSS classes (``unlearned``, ``control``, ``noop``, ``bad``), so that they follow a dark
theme; lines differ in their dashes as well, for readers who do not tell the colours apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTH, HEIGHT = 460.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 14.0, 12.0, 44.0
BINS = 20


@dataclass(frozen=True)
class Series:
    """Values of one population.

    Attributes:
        kind: CSS class: "unlearned", "control" or "noop".
        values: shape (n,) for a histogram, y values for a curve.
    """

    kind: str
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """One axis: label and range; a range of no length is widened; values below a logarithmic one lie at its end."""

    label: str
    low: float
    high: float
    log: bool = False

    @property
    def span(self) -> float:
        """Length of the range, in decades on a logarithmic axis, never 0."""
        return (float(np.log10(self.high / self.low)) if self.log else self.high - self.low) or 1.0

    def share(self, values: ArrayLike) -> NDArray[np.float64]:
        """Where on the axis values lie: 0 at ``low``, 1 at ``high``."""
        array = np.asarray(values, dtype=np.float64)
        from_low = np.log10(np.maximum(array, self.low) / self.low) if self.log else array - self.low
        return np.asarray(from_low / self.span)


class Canvas:
    """An SVG element with two axes, on which lines and bars are drawn in data coordinates."""

    def __init__(self, x: Axis, y: Axis, description: str) -> None:
        self.x, self.y = x, y
        self.svg = ElementTree.Element("svg", {"viewBox": f"0 0 {WIDTH:g} {HEIGHT:g}", "role": "img"})
        self._child("title", {}, description)
        self._axes()

    def text(self) -> str:
        """The SVG as text, escaped."""
        return ElementTree.tostring(self.svg, encoding="unicode")

    def line(self, xs: ArrayLike, ys: ArrayLike, kind: str) -> None:
        """A line through points."""
        pairs = zip(self._px(xs), self._py(ys), strict=True)
        self._child("polyline", {"class": f"line {kind}", "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)})

    def bar(self, left: float, right: float, height: float, kind: str, hint: str) -> None:
        """A bar from the x axis, with a hint shown under the pointer."""
        x = self._px([left, right])
        y = self._py([height, self.y.low])
        place = {"x": x[0], "width": max(x[1] - x[0], 0.5), "y": y[0], "height": max(y[1] - y[0], 0.5)}
        rectangle = self._child("rect", {"class": f"bar {kind}"} | {name: f"{v:.1f}" for name, v in place.items()})
        ElementTree.SubElement(rectangle, "title").text = hint

    def _px(self, values: ArrayLike) -> NDArray[np.float64]:
        return LEFT + (WIDTH - LEFT - RIGHT) * self.x.share(values)

    def _py(self, values: ArrayLike) -> NDArray[np.float64]:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * self.y.share(values)

    def _child(self, tag: str, attributes: dict[str, str], text: str = "") -> ElementTree.Element:
        element = ElementTree.SubElement(self.svg, tag, attributes)
        element.text = text or None
        return element

    def _label(self, x: float, y: float, text: str, anchor: str = "middle", **more: str) -> None:
        self._child("text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, **more}, text)

    def _axes(self) -> None:
        base, top = HEIGHT - BOTTOM, TOP
        self._child("path", {"class": "axis", "d": f"M{LEFT},{top}V{base}H{WIDTH - RIGHT}"})
        for tick in ticks(self.x):
            self._label(float(self._px(tick)), base + 15, f"{tick:g}")
        for tick in ticks(self.y):
            self._label(LEFT - 6, float(self._py(tick)) + 4, f"{tick:g}", "end")
        self._label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, self.x.label)
        middle = (top + base) / 2
        self._label(12, middle, self.y.label, transform=f"rotate(-90 12 {middle:g})")


def ticks(axis: Axis, about: int = 5) -> list[float]:
    """Round numbers within the axis's range, about as many as asked for; powers of ten on a logarithmic axis."""
    if axis.log:
        exponents = range(int(np.ceil(np.log10(axis.low) - 1e-9)), int(np.floor(np.log10(axis.high) + 1e-9)) + 1)
        return [10.0**exponent for exponent in exponents]
    raw = axis.span / about
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first = int(np.ceil(axis.low / step - 1e-9))
    last = int(np.floor(axis.high / step + 1e-9))
    return [round(number * step, 12) for number in range(first, last + 1)]


def histogram(series: Sequence[Series], label: str, description: str, reference: float | None = None) -> str:
    """Outlines of the series' histograms over common bins, as shares of each series; ``reference`` is marked.

    The outermost bins also count what lies beyond them, see :func:`fences`.
    """
    pooled = np.concatenate([one.values for one in series] + ([] if reference is None else [np.array([reference])]))
    edges = _edges(pooled)
    within = (np.clip(one.values, edges[0], edges[-1]) for one in series)
    shares = [np.histogram(values, bins=edges)[0] / max(values.size, 1) for values in within]
    top = max(float(share.max()) for share in shares)
    canvas = Canvas(
        Axis(label, float(edges[0]), float(edges[-1])), Axis("share of examples", 0, top * 1.05), description
    )
    if reference is not None:
        canvas.line([reference, reference], [0, top * 1.05], "mark")
    for one, share in zip(series, shares, strict=True):
        canvas.line(np.repeat(edges, 2), np.concatenate([[0], np.repeat(share, 2), [0]]), one.kind)
    return canvas.text()


def fences(values: NDArray[np.float64]) -> tuple[float, float]:
    """The range that is worth drawing: all values, but for those beyond the quartiles by over three times their distance.

    Such a value (Tukey's "far out") would squeeze all others into one bin. Source: Tukey, "Exploratory Data Analysis" (1977).
    """
    low, high = float(values.min()), float(values.max())
    lower, upper = np.quantile(values, [0.25, 0.75])
    reach = 3 * float(upper - lower)
    return (max(low, float(lower) - reach), min(high, float(upper) + reach)) if reach else (low, high)


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of about ``BINS`` bins; values on a coarse lattice get whole numbers of its steps, lest the plot be a comb."""
    low, high = fences(values)
    gaps = np.diff(np.unique(np.round(values, 9)))
    if not gaps.size or (high - low) / gaps.min() > 4 * BINS:
        return np.histogram_bin_edges(values, bins=BINS, range=(low, high))
    step = float(gaps.min())
    width = step * max(1.0, np.ceil((high - low) / step / BINS))
    count = int(np.floor((high - low + step / 2) / width)) + 1
    return np.asarray(low - step / 2 + width * np.arange(count + 1), dtype=np.float64)


def log_curves(x: NDArray[np.float64], series: Sequence[Series], labels: tuple[str, str], description: str) -> str:
    """Rates against rates on logarithmic axes, with the diagonal, e.g. ROC; ``x`` holds values in (0, 1]."""
    low = float(x.min())
    canvas = Canvas(Axis(labels[0], low, 1, log=True), Axis(labels[1], low, 1, log=True), description)
    canvas.line([low, 1], [low, 1], "mark")
    for one in series:
        canvas.line(x, one.values, one.kind)
    return canvas.text()


@dataclass(frozen=True)
class Bar:
    """One model's bar: height in seconds, whether it finished, a hint."""

    index: int
    seconds: float
    ok: bool
    hint: str


def bars(items: Sequence[Bar], limit_s: float | None, description: str) -> str:
    """Seconds per model, failed ones marked, with the limit as a line where there is one."""
    count = max((item.index for item in items), default=0) + 1
    top = 1.08 * max([item.seconds for item in items] + [limit_s or 0.0, 1e-9])
    canvas = Canvas(Axis("model", 0, count), Axis("seconds charged", 0, top), description)
    for item in items:
        canvas.bar(item.index + 0.1, item.index + 0.9, item.seconds, "unlearned" if item.ok else "bad", item.hint)
    if limit_s is not None:
        canvas.line([0, count], [limit_s, limit_s], "mark")
    return canvas.text()
