"""The table of methods as Markdown: forgetting, leakage, utility and time, with both ends of the scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.pages import markdown
from harness.evaluation import Metric
from harness.report.document import Report
from harness.report.words import NOTHING, duration, interval, number


@dataclass(frozen=True)
class Column:
    """One number of a method.

    Attributes:
        title: over the column.
        evaluator, metric: evaluator and metric in the report.
        ends: whether its interval is shown.
    """

    title: str
    evaluator: str
    metric: str
    ends: bool = False


COLUMNS = (
    Column("LiRA AUC", "lira", "auc", ends=True),
    Column("KS distance", "ks", "mean_d"),
    Column("F (Challenge)", "forgetting_quality", "f_official"),
    Column("before/after leakage", "before_after", "auc_gain"),
    Column("retain", "accuracy", "retain"),
    Column("forget", "accuracy", "forget"),
    Column("test", "accuracy", "test"),
)
LAST = ("time a model", "of retraining", "finished", "verdict")


def table(reports: Mapping[str, Report]) -> str:
    """Return the table, best forgetting first; the rows of the two ends of the scale are the same for all methods."""
    names = sorted(reports, key=lambda name: -_position(reports[name]))
    head = ["method", "forgotten", *(column.title for column in COLUMNS), *LAST]
    rows = [_row(name, reports[name]) for name in names]
    any_report = next(iter(reports.values()))
    ends = [_end("*perfect (control)*", any_report, "control"), _end("*nothing done (no-op)*", any_report, "noop")]
    return markdown(head, [*rows, *ends])


def _row(name: str, report: Report) -> list[str]:
    cells = [_cell(_metric(report, column), column) for column in COLUMNS]
    finished = sum(model.status.finished for model in report.models)
    seconds = [model.charged_s for model in report.models if model.status.finished and model.charged_s is not None]
    typical = median(seconds) if seconds else None
    retraining = report.budget.retrain_median_s
    share = NOTHING if typical is None or not retraining else f"{100 * typical / retraining:.0f} %"
    last = [duration(typical), share, f"{finished} of {len(report.models)}", report.verdict.level.replace("_", " ")]
    return [f"`{name}`", _forgotten(report), *cells, *last]


def _end(title: str, report: Report, which: str) -> list[str]:
    cells = []
    for column in COLUMNS:
        metric = _metric(report, column)
        cells.append(NOTHING if metric is None else number(getattr(metric, which), metric.unit))
    return [title, "100 %" if which == "control" else "0 %", *cells, *[NOTHING] * len(LAST)]


def _cell(metric: Metric | None, column: Column) -> str:
    if metric is None:
        return NOTHING
    ends = f" ({interval(metric.interval, metric.unit)})" if column.ends and metric.interval else ""
    return f"{number(metric.value, metric.unit)}{ends}"


def _metric(report: Report, column: Column) -> Metric | None:
    return report.metric(column.evaluator, column.metric)


def _position(report: Report) -> float:
    """Return the attack AUC's position between no-op (0) and control (1); -99 if there is none."""
    metric = report.metric("lira", "auc")
    return -99.0 if metric is None or metric.position is None else metric.position


def _forgotten(report: Report) -> str:
    position = _position(report)
    return NOTHING if position < -98 else f"{100 * position:.0f} %"


def failures(reports: Mapping[str, Report]) -> Sequence[str]:
    """Return a sentence for each method with failed models, with their statuses."""
    found = []
    for name, report in reports.items():
        ends = [model.status.value for model in report.models if not model.status.finished]
        if ends:
            counted = ", ".join(f"{ends.count(one)} x {one}" for one in dict.fromkeys(ends))
            found.append(f"`{name}`: {len(ends)} of {len(report.models)} models did not come back ({counted}).")
    return found
