"""A figure of the page: a plot with its words, or why it cannot be drawn."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.model import Report
from harness.report.words import plain

OLDER = "its record holds no such numbers; harness evaluate, on the run's folder, adds what newer versions draw"


@dataclass(frozen=True)
class Figure:
    """A plot with its words.

    Attributes:
        title: what is shown.
        svg: the plot, safe to put into a page.
        caption: how to read it.
        kinds: populations shown, for the legend.
    """

    title: str
    svg: str
    caption: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Missing:
    """A plot that the report cannot give.

    Attributes:
        title: what would be shown.
        reason: why it is not.
    """

    title: str
    reason: str


def missing(title: str, report: Report, evaluator: str) -> Missing:
    """Why a plot of an evaluator's arrays is not there."""
    record = report.evaluator(evaluator)
    if record is None:
        return Missing(title, f"the evaluator {evaluator} was not run")
    if record.error:
        return Missing(title, f"the evaluator {evaluator} failed; its error stands under All metrics")
    notes = dict.fromkeys(plain(metric.note) for metric in record.metrics if metric.value is None and metric.note)
    return Missing(title, next(iter(notes), "").removeprefix("Not computed: ").rstrip(".") or OLDER)
