"""Quality against compute: forgetting, utility and durability of one method under several budgets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.comparing.trade_off import (
    UTILITY,
    Ends,
    forgetting_metric,
    forgotten_ends,
    position_ends,
    seconds_per_model,
    way_to_perfect,
)
from harness.core.files import atomic_write_text
from harness.evaluation import Interval, Metric
from harness.report.document import Report
from harness.report.page import render
from harness.report.svg.drawing import Frame, padded
from harness.report.svg.figure import Figure
from harness.report.svg.lines import Line, line_plot, marked_axis
from harness.report.words import NOTHING, VERDICT_WORDS, interval, number, plain, position_text

VERSION = "1"
CURVE, PAGE = "curve.json", "curve.html"
DURABILITY = "durability"
FRAME = Frame(width=640, height=360, left=58, right=540, top=14, bottom=306)
HEADINGS = ("Budget", "Used", "Forgotten", "Utility", "Durability", "Verdict", "Models")


@dataclass(frozen=True)
class BudgetPoint:
    """What a method reached with one budget; None for what is unknown.

    Attributes:
        fraction: the budget, a share of retraining.
        used: median of what a model was charged, as a share of retraining.
        used_ends: its 95 % interval.
        forgotten: 1 as after retraining, 0 as for the no-op; overshooting 1 counts like falling short.
        forgotten_ends: its 95 % interval.
        utility, durability: records of these metrics.
        durability_name: name of the metric of durability; empty without it.
        verdict: of the run.
        returned, models: number of models that were returned, and of all.
        folder: name of the run's folder.
    """

    fraction: float
    used: float | None
    used_ends: Ends | None
    forgotten: float | None
    forgotten_ends: Ends | None
    utility: Metric | None
    durability: Metric | None
    durability_name: str
    verdict: str
    returned: int
    models: int
    folder: str


@dataclass(frozen=True)
class BudgetCurve:
    """A method under several budgets.

    Attributes:
        plugin, task: their names.
        forgetting, utility: names of the metrics, e.g. "lira.auc".
        points: by ascending budget.
    """

    plugin: str
    task: str
    forgetting: str
    utility: str
    points: tuple[BudgetPoint, ...]


def budget_curve(reports: Sequence[tuple[str, Report]], utility: str = UTILITY) -> BudgetCurve:
    """Return the curve of runs of one method under several budgets, as (folder, report).

    Durability is the first headline metric of the evaluator ``durability`` with a position between no-op and control.
    """
    found = [report for _, report in reports]
    forgetting = forgetting_metric(found)
    points = [_point(folder, report, forgetting, utility) for folder, report in reports]
    first = found[0]
    ordered = tuple(sorted(points, key=lambda one: one.fraction))
    return BudgetCurve(first.plugin.name, first.task.name, forgetting, utility, ordered)


def write_curve(curve: BudgetCurve, folder: Path) -> None:
    """Write ``curve.json`` and ``curve.html`` into the folder of the runs."""
    document = {"curve_version": VERSION, **asdict(curve)}
    atomic_write_text(folder / CURVE, json.dumps(document, indent=2, allow_nan=False) + "\n")
    atomic_write_text(folder / PAGE, curve_page(curve))


def curve_page(curve: BudgetCurve) -> str:
    """Return the page's HTML; all text of plugins is escaped."""
    plots = [Figure("Quality against compute", svg, "")] if (svg := curve_svg(curve)) else []
    return render("curve.html.j2", curve=curve, headings=HEADINGS, rows=curve_rows(curve), plots=plots)


def render_curve(curve: BudgetCurve, folder: Path) -> RenderableType:
    """Return the terminal's table."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("Budget", "Verdict") else "right", overflow="fold")
    for row in curve_rows(curve):
        table.add_row(*map(plain, row))
    title = Text.assemble(
        (plain(curve.plugin), "bold"), " on ", (plain(curve.task), "bold"), ", by share of retraining"
    )
    what = Text(plain(f"Forgotten: by {curve.forgetting}, 100 % as retrained models. Utility: {curve.utility}."), "dim")
    return Group(title, table, what, Text(f"Page: {folder / PAGE}", no_wrap=True, overflow="ignore"))


def curve_rows(curve: BudgetCurve) -> list[tuple[str, ...]]:
    """Return a row of the table for each budget, in the order of :data:`HEADINGS`."""
    return [
        (
            f"{100 * one.fraction:g} %",
            NOTHING if one.used is None else f"{100 * one.used:.1f} %",
            position_text(one.forgotten) + _range(one.forgotten_ends),
            _value(one.utility),
            _value(one.durability),
            one.verdict,
            f"{one.returned} of {one.models}",
        )
        for one in curve.points
    ]


def curve_svg(curve: BudgetCurve) -> str:
    """Return the picture: all quantities in per cent against the budget, on a logarithmic axis; empty without a value."""
    lines = [line for line in _lines(curve) if line.points]
    if not lines:
        return ""
    fractions = [100 * one.fraction for one in curve.points]
    marks = [(one, f"{one:g}") for one in fractions]
    label = "budget, % of retraining"
    scale = padded(fractions, log=True)
    return line_plot(
        "Quality against compute", "%", lines, scale, lambda picture: marked_axis(picture, marks, label), FRAME
    )


def _point(folder: str, report: Report, forgetting: str, utility: str) -> BudgetPoint:
    way, ends = way_to_perfect(report, forgetting)
    seconds, seconds_ends = seconds_per_model(report)
    retraining = report.budget.retrain_min_s
    known = report.budget.clock != "steps" and retraining
    name, durable = _durability(report)
    return BudgetPoint(
        fraction=report.budget.fraction or 0.0,
        used=seconds / retraining if known and seconds is not None and retraining else None,
        used_ends=(seconds_ends[0] / retraining, seconds_ends[1] / retraining)
        if known and seconds_ends is not None and retraining
        else None,
        forgotten=way,
        forgotten_ends=ends,
        utility=report.named(utility),
        durability=durable,
        durability_name=name,
        verdict=VERDICT_WORDS[report.verdict.level],
        returned=report.finished_models,
        models=len(report.models),
        folder=folder,
    )


def _durability(report: Report) -> tuple[str, Metric | None]:
    """Return the headline metric of durability as a position: 1 as retrained models, 0 as the no-op; None without it."""
    record = report.evaluator(DURABILITY)
    found = [one for one in ([] if record is None else record.metrics) if one.headline and one.position is not None]
    if not found or found[0].position is None:
        return "", None
    metric, name = found[0], f"{DURABILITY}.{found[0].name}"
    ends = position_ends(report, name) or _on_the_scale(metric)
    place = None if ends is None else Interval(*forgotten_ends(*ends))
    value = 1 - abs(1 - metric.position) if metric.position is not None else None
    return name, Metric(metric.name, value, "higher", metric.description, "share", place, control=1.0, noop=0.0)


def _on_the_scale(metric: Metric) -> Ends | None:
    """Return a metric's interval between no-op (0) and control (1); None if it is unknown."""
    if metric.interval is None or metric.noop is None or metric.control is None or metric.noop == metric.control:
        return None
    low, high = sorted(
        (metric.noop - end) / (metric.noop - metric.control) for end in (metric.interval.low, metric.interval.high)
    )
    return low, high


def _lines(curve: BudgetCurve) -> list[Line]:
    at = [100 * one.fraction for one in curve.points]
    forgotten = [
        (x, 100 * one.forgotten, *_scaled(one.forgotten_ends, one.forgotten))
        for x, one in zip(at, curve.points, strict=True)
        if one.forgotten is not None
    ]
    made = [Line("unlearned", tuple(forgotten), "forgotten, %", "forgotten")]
    utility = curve.utility.replace(".", " ").replace("_", " ")
    for kind, name in (("utility", utility), ("durability", "durable")):
        points, control = [], []
        for x, one in zip(at, curve.points, strict=True):
            metric = getattr(one, kind)
            if metric is None or metric.value is None or metric.unit != "share":
                continue
            ends = None if metric.interval is None else (metric.interval.low, metric.interval.high)
            points.append((x, 100 * metric.value, *_scaled(ends, metric.value)))
            if metric.control is not None:
                control.append((x, 100 * metric.control, 100 * metric.control, 100 * metric.control))
        made.append(Line(kind, tuple(points), f"{name}, %", name))
        if kind == "utility":
            made.append(Line("control", tuple(control), f"{name} of retrained models, %"))
    return made


def _scaled(ends: Ends | None, value: float) -> Ends:
    low, high = ends or (value, value)
    return 100 * low, 100 * high


def _range(ends: Ends | None) -> str:
    return "" if ends is None else f" ({round(100 * ends[0])} to {round(100 * ends[1])})"


def _value(metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return NOTHING
    ends = interval(metric.interval, "share" if metric.unit == "share" else "")
    return number(metric.value, metric.unit) + (f" ({ends.removesuffix(' %')})" if ends else "")
