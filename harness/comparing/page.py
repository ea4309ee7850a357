"""A comparison as one self-contained HTML page: no network, no script, all text of plugins escaped."""

from __future__ import annotations

from harness.comparing import words
from harness.comparing.comparability import machine, torch_of
from harness.comparing.comparison import Comparison, Row
from harness.comparing.intervals_plot import intervals_plot
from harness.comparing.scatter import scatters
from harness.report.budget_words import limit_words
from harness.report.page import render
from harness.report.svg.figure import Figure
from harness.report.words import VERDICT_WORDS, WANTED, gist

TEMPLATE = "compare.html.j2"


def page_text(comparison: Comparison) -> str:
    """Return the page's HTML."""
    return render(
        TEMPLATE,
        comparison=comparison,
        words=words,
        gist=gist,
        wanted=WANTED,
        levels=VERDICT_WORDS,
        limit_words=limit_words,
        machine=machine,
        torch_of=torch_of,
        scatters=scatters(comparison.trade_off),
        plots=_plots(comparison),
    )


def _plots(comparison: Comparison) -> list[Figure]:
    made = [
        Figure(words.heading(row), intervals_plot(comparison, row), row.metric.description)
        for row in comparison.rows
        if _drawn(row)
    ]
    return [plot for plot in made if plot.svg]


def _drawn(row: Row) -> bool:
    """Return True if the row has intervals: a plot of bare dots would look more certain than it is."""
    return any(cell.metric is not None and cell.metric.interval is not None for cell in row.cells)
