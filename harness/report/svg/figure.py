"""A figure of the page: a plot with its caption, or the reason why it is missing."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.document import Report
from harness.report.words import plain

OLDER = "the record lacks these numbers; run harness evaluate on the run folder to add them"


@dataclass(frozen=True)
class Figure:
    """A plot with its title and caption.

    Attributes:
        title: of the figure.
        svg: the plot, safe to embed in a page.
        caption: how to read the plot.
        kinds: populations shown, for the legend.
    """

    title: str
    svg: str
    caption: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Missing:
    """A plot that the report lacks the data for.

    Attributes:
        title: of the figure.
        reason: why the plot is missing.
    """

    title: str
    reason: str


def missing(title: str, report: Report, evaluator: str) -> Missing:
    """Return the reason why a plot of an evaluator's arrays is missing."""
    record = report.evaluator(evaluator)
    if record is None:
        return Missing(title, f"the evaluator {evaluator} was not run")
    if record.error:
        return Missing(title, f"the evaluator {evaluator} failed; see its error under All metrics")
    notes = dict.fromkeys(plain(metric.note) for metric in record.metrics if metric.value is None and metric.note)
    return Missing(title, next(iter(notes), "").removeprefix("Not computed: ").rstrip(".") or OLDER)
