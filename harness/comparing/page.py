"""A comparison as one self-contained HTML page: no network, no script, all text of plugins escaped."""

from __future__ import annotations

from harness.comparing import words
from harness.comparing.comparability import machine, torch_of
from harness.comparing.comparison import Comparison, Row
from harness.comparing.intervals_plot import intervals_plot
from harness.comparing.scatter import scatters
from harness.report.budget_words import limit_words
from harness.report.glossary import entries_of, title_of
from harness.report.page import render
from harness.report.status_words import chips
from harness.report.svg.figure import Figure
from harness.report.words import VERDICT_TONE, VERDICT_WORDS, WANTED, gist, plain

TEMPLATE = "compare.html.j2"
FEW = 20  # rows that are shown in one table


def page_text(*comparisons: Comparison) -> str:
    """Return the page's HTML, with a part for each comparison."""
    rows = [row for one in comparisons for row in one.rows]
    return render(
        TEMPLATE,
        title=words.title(comparisons[0]) if len(comparisons) == 1 else f"Methods on {len(comparisons)} tasks",
        parts=[
            {"comparison": one, "tables": _tables(one), "scatters": scatters(one.trade_off), "plots": _plots(one)}
            for one in comparisons
        ],
        entries=entries_of((row.evaluator, row.metric.name) for row in rows),
        words=words,
        gist=gist,
        wanted=WANTED,
        levels=VERDICT_WORDS,
        tones=VERDICT_TONE,
        chips=chips,
        limit_words=limit_words,
        machine=machine,
        torch_of=torch_of,
    )


def _tables(comparison: Comparison) -> list[tuple[str, list[Row]]]:
    """Return the rows of each table with its name: of many metrics the headlines first, then the others by evaluator."""
    main = [row for row in comparison.rows if row.metric.headline]
    if not main or len(comparison.rows) <= FEW:
        return [("Metrics", list(comparison.rows))]
    others: dict[str, list[Row]] = {}
    for row in comparison.rows:
        if not row.metric.headline:
            others.setdefault(f"Other metrics of {plain(row.evaluator)}", []).append(row)
    return [("Main metrics", main), *others.items()]


def _plots(comparison: Comparison) -> list[Figure]:
    made = [
        Figure(title_of(row.evaluator, row.metric), intervals_plot(comparison, row), row.metric.description)
        for row in comparison.rows
        if _drawn(row)
    ]
    return [plot for plot in made if plot.svg]


def _drawn(row: Row) -> bool:
    """Return True if the row has intervals: a plot of bare dots would look more certain than it is."""
    return any(cell.metric is not None and cell.metric.interval is not None for cell in row.cells)
