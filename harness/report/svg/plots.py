"""Plots of many examples as SVG elements: histograms, ROC curves, and sorted values.

Colours come from the page's CSS classes (``unlearned``, ``control``, ``noop``), so they follow a dark theme. Lines also
differ in dashes, for colour-blind readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.report.svg.drawing import Frame, Picture, Scale
from harness.report.words import POPULATION_WORDS, number

Values = NDArray[np.float64]

FRAME = Frame(width=480, height=290, left=58, right=466, top=12, bottom=242)
SQUARE = Frame(width=480, height=400, left=66, right=466, top=14, bottom=352)
BINS, FEWEST_BINS = 24, 6
LABEL_ROOM = 0.16  # of the axis
WELL_FILLED = 0.03  # of all values
STEPS = 200


@dataclass(frozen=True)
class Series:
    """Values of one population.

    Attributes:
        kind: CSS class: "unlearned", "control" or "noop".
        values: shape (n,) for a histogram, y values for a curve.
    """

    kind: str
    values: Values


def histogram(series: Sequence[Series], label: str, title: str, cap: float = np.inf) -> str:
    """Draw outlines of the series' histograms over common bins, in per cent of each series; the plugin's is filled.

    Values beyond the fences (:func:`fences`) are counted in separate bins at the edges.
    """
    bins = _bins([one.values for one in series], cap)
    shares = [100 * np.histogram(bins.held(one.values), bins=bins.edges)[0] / one.values.size for one in series]
    top = 1.05 * max(float(share.max()) for share in shares)
    x = Scale(float(bins.edges[0]), float(bins.edges[-1]))
    picture = Picture(FRAME, x, Scale(0, top), title, described(series))
    picture.x_axis(label, bins.labelled)
    picture.y_axis("examples, %")
    for one, share in zip(series, shares, strict=True):
        heights = np.concatenate([[0], np.repeat(share, 2), [0]])
        pairs = zip(np.repeat(bins.edges, 2), heights, strict=True)
        points = [(picture.px(float(at)), picture.py(float(height))) for at, height in pairs]
        if one.kind == "unlearned":
            picture.area(points, "fill unlearned")
        picture.path(points, f"line {one.kind}")
    if bins.edges[0] < bins.low:
        picture.words(FRAME.left, FRAME.bottom + 18, "below", "start")
    if bins.edges[-1] > bins.high:
        picture.words(FRAME.right, FRAME.bottom + 18, "above", "end")
    return picture.text()


def described(series: Sequence[Series]) -> str:
    """Describe the numbers of a picture in words, for screen readers."""
    described_series = []
    for one in series:
        middle, low, high = (number(float(value)) for value in np.quantile(one.values, (0.5, 0.05, 0.95)))
        described_series.append(
            f"{POPULATION_WORDS[one.kind]}: median {middle}, 90 % of examples between {low} and {high}"
        )
    return "; ".join(described_series) + "."


def fences(values: Values, cap: float = np.inf) -> tuple[float, float]:
    """Return the range to draw: all values except those more than three interquartile ranges beyond the quartiles.

    Such an outlier (Tukey's "far out") would squeeze all others into one bin; so would values of ``cap`` or more, which
    represent infinity. Source: Tukey, "Exploratory Data Analysis" (1977).
    """
    values = values[values < cap] if (values < cap).any() else values
    low, high = float(values.min()), float(values.max())
    lower, upper = np.quantile(values, [0.25, 0.75])
    reach = 3 * float(upper - lower)
    return (max(low, float(lower) - reach), min(high, float(upper) + reach)) if reach else (low, high)


@dataclass(frozen=True)
class _Bins:
    """Edges of a histogram's bins: regular between ``low`` and ``high``; beyond, a gap and one bin for outliers."""

    edges: Values
    low: float
    high: float

    @property
    def labelled(self) -> tuple[float, float]:
        """Return the range in which tick labels do not overlap the words at the outermost bins."""
        room = LABEL_ROOM * float(self.edges[-1] - self.edges[0])
        low = max(self.low, self.edges[0] + room) if self.edges[0] < self.low else self.low
        high = min(self.high, self.edges[-1] - room) if self.edges[-1] > self.high else self.high
        return float(low), float(high)

    def held(self, values: Values) -> Values:
        """Return the values, outliers moved to the middle of the outermost bins."""
        below, above = self.edges[:2].mean(), self.edges[-2:].mean()
        return np.asarray(np.where(values < self.low, below, np.where(values > self.high, above, values)))


def _bins(series: Sequence[Values], cap: float) -> _Bins:
    values = np.concatenate(series)
    fenced = fences(values, cap)
    edges = _edges([one[(one >= fenced[0]) & (one <= fenced[1])] for one in series])
    low, high, width = float(edges[0]), float(edges[-1]), float(edges[1] - edges[0])
    if values.min() < fenced[0]:
        edges = np.concatenate([[low - 2.5 * width, low - width], edges])
    if values.max() > fenced[1]:
        edges = np.concatenate([edges, [high + width, high + 2.5 * width]])
    return _Bins(edges, low, high)


def _edges(series: Sequence[Values]) -> Values:
    """Return edges of at most ``BINS`` bins: fewer if they would form a comb, whole steps if values are on a coarse grid."""
    values = np.concatenate(series)
    low, high = float(values.min()), float(values.max())
    gaps = np.diff(np.unique(np.round(values, 9)))
    if not gaps.size:
        return np.histogram_bin_edges(values, bins=1)
    step = float(gaps.min())
    if (high - low) / step > 4 * BINS or np.abs(gaps / step - np.round(gaps / step)).max() > 1e-3:
        counts = (np.histogram_bin_edges(values, bins=number) for number in range(BINS, FEWEST_BINS, -1))
        smooth = (edges for edges in counts if not any(_is_comb(one, edges) for one in series))
        return next(smooth, np.histogram_bin_edges(values, bins=FEWEST_BINS))
    width = step * max(1.0, np.ceil((high - low) / step / BINS))
    count = int(np.floor((high - low + step / 2) / width)) + 1
    return np.asarray(low - step / 2 + width * np.arange(count + 1), dtype=np.float64)


def _is_comb(values: Values, edges: Values) -> bool:
    """Return True if a bin is nearly empty between two well-filled ones."""
    counts = np.histogram(values, bins=edges)[0]
    beside = np.minimum(counts[:-2], counts[2:])
    return bool(((beside >= WELL_FILLED * values.size) & (counts[1:-1] < beside / 4)).any())


def roc(rates: Values, series: Sequence[Series], title: str) -> str:
    """Draw true against false positive rate on logarithmic axes, with the diagonal; points at 0 cannot be drawn.

    Args:
        rates: false positive rates in (0, 1], ascending.
        series: true positive rates, one per false positive rate.
        title: of the picture.
    """
    scale = Scale(float(rates.min()), 1, log=True)
    picture = Picture(SQUARE, scale, scale, title, _described_roc(rates, series))
    picture.x_axis("false positive rate: retrained taken for unlearned")
    picture.y_axis("true positive rate: unlearned models detected")
    frame = SQUARE
    picture.path([(frame.left, frame.bottom), (frame.right, frame.top)], "line mark")
    for one in series:
        seen = one.values >= scale.low
        points = zip(rates[seen], one.values[seen], strict=True)
        picture.path([(picture.px(float(x)), picture.py(float(y))) for x, y in points], f"line {one.kind}")
    return picture.text()


def _described_roc(rates: Values, series: Sequence[Series]) -> str:
    at = int(np.argmin(np.abs(np.log(rates / 0.01))))
    found = (f"{POPULATION_WORDS[one.kind]} {number(float(one.values[at]), 'share')}" for one in series)
    return f"True positive rate at a false positive rate of {number(float(rates[at]), 'share')}: {'; '.join(found)}."


def ranked(series: Sequence[Series], band: tuple[float, float, float], title: str) -> str:
    """Draw distances by example, each series sorted in descending order, over the band of the null distribution.

    Args:
        series: distances in [0, 1], one per example.
        band: 2.5 %, 50 % and 97.5 % quantiles of one example's distance under the null hypothesis.
        title: of the picture.
    """
    count = max(one.values.size for one in series)
    picture = Picture(FRAME, Scale(0, count), Scale(0, 1), title, described(series))
    picture.x_axis("forget-set examples, largest distance first")
    picture.y_axis("KS distance")
    low, middle, high = map(picture.py, band)
    picture.box(FRAME.left, high, FRAME.right, low, "band", "95 % of examples under the null hypothesis")
    picture.path([(FRAME.left, middle), (FRAME.right, middle)], "line mark")
    for one in series:
        points = [(picture.px(count * share), picture.py(value)) for share, value in _stairs(one.values)]
        picture.path(points, f"line {one.kind}")
    return picture.text()


def _stairs(values: Values) -> list[tuple[float, float]]:
    """Return corners of the descending step curve of the values over [0, 1]; at most ``STEPS`` steps, each a part's median."""
    sizes = np.sort(values)[::-1]
    if sizes.size > STEPS:
        sizes = np.array([np.median(part) for part in np.array_split(sizes, STEPS)])
    starts = np.flatnonzero(np.diff(sizes, prepend=np.inf))
    ends = np.append(starts[1:], sizes.size)
    pairs = zip(sizes[starts], starts / sizes.size, ends / sizes.size, strict=True)
    return [(float(x), float(size)) for size, start, end in pairs for x in (start, end)]
