"""A comparison as one self-contained HTML page: no network, no script, all text of plugins escaped."""

from __future__ import annotations

from dataclasses import dataclass

from harness.comparing import words
from harness.comparing.comparison import Comparison, Difference, Method, Row
from harness.comparing.intervals_plot import intervals_plot
from harness.comparing.scatter import panels, scatter
from harness.report.page import render
from harness.report.words import VERDICT_WORDS, WANTED, gist

TEMPLATE = "compare.html.j2"


@dataclass(frozen=True)
class Plot:
    """A plot on the page.

    Attributes:
        title: the plot's title.
        svg: the plot, safe to embed in a page.
        caption: explanation.
    """

    title: str
    svg: str
    caption: str = ""


@dataclass(frozen=True)
class Judged:
    """A difference with its metric and method."""

    row: Row
    method: Method
    difference: Difference


def page_text(comparison: Comparison) -> str:
    """Return the page's HTML."""
    return render(
        TEMPLATE,
        comparison=comparison,
        words=words,
        gist=gist,
        wanted=WANTED,
        levels=VERDICT_WORDS,
        trade_offs=_trade_offs(comparison),
        dominated=_dominated(comparison),
        plots=_plots(comparison),
        judged=_judged(comparison),
    )


def _trade_offs(comparison: Comparison) -> list[Plot]:
    found = comparison.trade_off
    if found is None:
        return []
    made = [Plot(panel.title, scatter(panel, found)) for panel in panels(found)]
    return [plot for plot in made if plot.svg]


def _dominated(comparison: Comparison) -> list[tuple[str, str]]:
    """Return methods that others beat on forgetting, utility and time at once, with the names of those."""
    found = comparison.trade_off
    points = found.points if found else ()
    return [(point.label, ", ".join(point.dominated_by)) for point in points if point.dominated_by]


def _plots(comparison: Comparison) -> list[Plot]:
    made = [
        Plot(words.heading(row), intervals_plot(comparison, row), row.metric.description)
        for row in comparison.rows
        if _drawn(row)
    ]
    return [plot for plot in made if plot.svg]


def _drawn(row: Row) -> bool:
    """Return True if the row has intervals: a plot of bare dots would look more certain than it is."""
    return any(cell.metric is not None and cell.metric.interval is not None for cell in row.cells)


def _judged(comparison: Comparison) -> list[Judged]:
    return [
        Judged(row, method, cell.difference)
        for row in comparison.rows
        for method, cell in zip(comparison.methods, row.cells, strict=True)
        if cell.difference is not None
    ]
