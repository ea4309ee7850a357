"""Figures of a run's models: utility against forgetting, accuracies, time against the limit, and where the time went."""

from __future__ import annotations

from harness.core.outcomes import ModelOutcome
from harness.evaluation import Interval, Metric
from harness.report.budget_words import amount, limit_words
from harness.report.document import EvaluatorRecord, Report
from harness.report.svg.drawing import Picture, padded
from harness.report.svg.figure import Figure, Missing, missing
from harness.report.svg.marks import Ends, Mark, Shape, draw_marks, extents
from harness.report.svg.model_plots import Bar, Span, Strip, bars, spans, strips
from harness.report.svg.plots import SQUARE
from harness.report.time_words import PHASES
from harness.report.words import POPULATION_WORDS, STATUS_WORDS, axis_label, duration, interval, label, number, plain

FORGETTING = (("lira", "auc"), ("ks", "mean_d"), ("forgetting_quality", "mean_epsilon_official"))
UTILITY = ("accuracy", "test")
SPLITS = ("retain", "forget", "validation", "test")
ROWS = (
    ("original", "noop", "no-op"),
    ("unlearned", "unlearned", "this plugin"),
    ("retrained", "control", "retrained"),
    ("control", "control", "control"),
)
SHAPES: dict[str, Shape] = {"noop": "square", "control": "diamond", "unlearned": "circle"}
TRADE_OFF, ACCURACIES = "Utility against forgetting", "Accuracy of each model"


def trade_off(report: Report) -> Figure | Missing:
    """Plot attack strength against test accuracy for the plugin, the control and the no-op."""
    utility = report.metric(*UTILITY)
    found = ((name, report.metric(name, metric)) for name, metric in FORGETTING)
    forgetting = next(((name, metric) for name, metric in found if metric and metric.value is not None), None)
    if utility is None or utility.value is None:
        return missing(TRADE_OFF, report, "accuracy")
    if forgetting is None:
        return missing(TRADE_OFF, report, "lira")
    marks = [mark for kind in SHAPES if (mark := _mark(kind, forgetting[1], utility))]
    x_scale, y_scale = (padded(values, by=0.14) for values in extents(marks))
    picture = Picture(SQUARE, x_scale, y_scale, TRADE_OFF, "; ".join(mark.hint for mark in marks) + ".")
    picture.x_axis(axis_label(label(*forgetting), forgetting[1]))
    picture.y_axis(axis_label(label("accuracy", utility), utility))
    draw_marks(picture, marks)
    caption = (
        f"x: {label(*forgetting)}, how well unlearned models are distinguished from retrained ones. y: accuracy on the test "
        "set. A good method is close to the control. Whiskers: 95 % intervals over models; the no-op has none."
    )
    return Figure(TRADE_OFF, picture.text(), caption)


def _mark(kind: str, forgetting: Metric, utility: Metric) -> Mark | None:
    x, x_ends = _of(kind, forgetting)
    y, y_ends = _of(kind, utility)
    if x is None or y is None:
        return None
    texts = [
        f"{number(value, metric.unit)}{f' ({interval(ends, metric.unit)})' if ends else ''}"
        for metric, value, ends in ((forgetting, x, x_ends), (utility, y, y_ends))
    ]
    name, metric = POPULATION_WORDS[kind], plain(forgetting.name.replace("_", " "))
    x_factor, y_factor = _factor(forgetting), _factor(utility)
    return Mark(
        label=name,
        shape=SHAPES[kind],
        kind=f"spot {kind}",
        x=x_factor * x,
        y=y_factor * y,
        x_ends=_ends(x_ends, x_factor),
        y_ends=_ends(y_ends, y_factor),
        hint=f"{name}: {metric} {texts[0]}, accuracy on the test set {texts[1]}",
        whisker=f"whisker {kind}",
    )


def _of(kind: str, metric: Metric) -> tuple[float | None, Interval | None]:
    if kind == "unlearned":
        return metric.value, metric.interval
    return (metric.control, metric.control_interval) if kind == "control" else (metric.noop, None)


def _factor(metric: Metric) -> float:
    return 100.0 if metric.unit == "share" else 1.0


def _ends(record: Interval | None, factor: float) -> Ends | None:
    return None if record is None else (factor * record.low, factor * record.high)


def accuracies(report: Report) -> Figure | Missing:
    """Plot a dot per model, by split and population; for older reports the means with intervals."""
    record = report.evaluator("accuracy")
    if record is None or record.error:
        return missing(ACCURACIES, report, "accuracy")
    groups = [(split, _models(record, split)) for split in SPLITS]
    caption = "A dot is a model, a vertical line the mean. Retrained models are the target, on the forget set as well."
    if not any(rows for _, rows in groups):
        groups = [(split, _means(record.metric(split))) for split in SPLITS]
        caption = "Means over models with 95 % intervals if known; newer reports show every model."
    drawn = [(split, rows) for split, rows in groups if rows]
    if not drawn:
        return missing(ACCURACIES, report, "accuracy")
    return Figure(ACCURACIES, strips(drawn, "classified correctly, %", ACCURACIES), caption)


def _models(record: EvaluatorRecord, split: str) -> list[Strip]:
    made = []
    for population, kind, name in ROWS:
        values = [100 * v for v in record.arrays.get(f"{split}_per_model_{population}", []) if isinstance(v, float)]
        if values:
            hint = f"{name}: mean {sum(values) / len(values):.1f} %, {min(values):.1f} to {max(values):.1f} %"
            made.append(Strip(name, kind, values, None, hint))
    return made


def _means(metric: Metric | None) -> list[Strip]:
    if metric is None:
        return []
    made = []
    for kind, name in (("noop", "no-op"), ("unlearned", "this plugin"), ("control", "control")):
        value, ends = _of(kind, metric)
        if value is not None:
            hint = f"{name}: {number(value, metric.unit)} {interval(ends, metric.unit)}".strip()
            made.append(Strip(name, kind, [100 * value], _ends(ends, 100.0), hint))
    return made


def times(report: Report) -> Figure | None:
    """Plot each model's seconds against the limit; None if no model was charged.

    A limit in examples is not drawn, since the axis is in seconds.
    """
    if all(model.charged_s is None for model in report.models):
        return None
    items = [Bar(model.index, model.charged_s, model.status.finished, _hint(model)) for model in report.models]
    failed = sum(not item.ok for item in items)
    parts = ["Seconds charged to each model; only the method's own time counts against the limit."]
    if failed:
        parts.append(f"A cross marks the {failed} that failed.")
    budget = report.budget
    if budget.retrain_median_s is not None:
        parts.append(f"Retraining takes {amount(budget.retrain_median_s, budget.clock)}.")
    parts.append("There was no limit." if budget.limit_s is None else f"The limit was {limit_words(budget)}.")
    limit = None if budget.clock == "steps" else budget.limit_s
    outcomes = "; ".join(_hint(model) for model in report.models if not model.status.finished) or "all models finished"
    title = "Time per model against the limit"
    return Figure(title, bars(items, limit, title, f"{' '.join(parts)} {outcomes}."), " ".join(parts))


def _hint(model: ModelOutcome) -> str:
    return f"model {model.index}: {duration(model.charged_s)}, {STATUS_WORDS[model.status]}"


def model_parts(report: Report) -> Figure | None:
    """Plot how a model's time splits into the method's and the harness's; None in older reports."""
    found = report.times
    items = [
        Span(name, "unlearned" if part is found.charged else "ours", part.p50_s, part.p90_s, part.max_s)
        for name, part in (found.parts if found else ())
        if found and part is not None
    ]
    if not items:
        return None
    caption = (
        "Bar and number: median over models. Whisker: 90th percentile. Vertical line: maximum. Only the method's part is "
        "charged to it; the import of the plugin has its own allowance, and the rest is overhead of the harness."
    )
    title = "Where a model's time went"
    return Figure(title, spans(items, "seconds", title), caption)


def phases(report: Report) -> Figure | None:
    """Plot the seconds of each phase of the run; None if unknown."""
    items = [Span(PHASES.get(name, name.replace("_", " ")), "ours", seconds) for name, seconds in report.phases.items()]
    if not items or not any(item.seconds for item in items):
        return None
    title = "Where the run's time went"
    caption = "Wall-clock time; phases served from a cache take almost none."
    return Figure(title, spans(items, "seconds", title), caption)
