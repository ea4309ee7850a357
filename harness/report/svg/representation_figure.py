"""The plot of ``representation``: what new heads on the features of each layer remember of the forget set."""

from __future__ import annotations

from harness.evaluation import Metric
from harness.report.results import EvaluatorRecord
from harness.report.svg.figure import Figure
from harness.report.svg.model_plots import Strip, strips
from harness.report.words import interval, number, plain

EVALUATOR, HEAD = "representation", "refit_phi"
LAYER = f"{HEAD}_layer_"
TITLE = "Memory of the forget set in the features, by layer"
LAST = "before the last layer"


def representation(record: EvaluatorRecord) -> Figure | None:
    """Plot the confidence of new heads by layer, from the input to the output; None if it was not measured."""
    layers = [one for one in record.metrics if one.name.startswith(LAYER)]
    last = [one for one in record.metrics if one.name == HEAD]
    groups = [(_named(one.name), metric_strips(one)) for one in (*layers, *last) if one.value is not None]
    if record.name != EVALUATOR or not groups:
        return None
    caption = (
        "Mean confidence in the true class of forgotten examples with a new linear head, fitted to each layer's features of "
        "retained examples; whiskers are 95 % intervals. A method that changes the last layers alone stays at the no-op before."
    )
    return Figure(
        TITLE, strips(groups, "confidence with a new head (logit)", TITLE), caption, ("noop", "unlearned", "control")
    )


def _named(metric: str) -> str:
    place, _, name = metric.removeprefix(LAYER).partition("_")
    return LAST if metric == HEAD else f"layer {place} ({plain(name)})"


def metric_strips(metric: Metric) -> list[Strip]:
    """Return the rows of a metric: the no-op, the plugin and the control, with their intervals."""
    rows = (
        ("no-op", "noop", metric.noop, None),
        ("this plugin", "unlearned", metric.value, metric.interval),
        ("control", "control", metric.control, metric.control_interval),
    )
    return [
        Strip(
            name,
            kind,
            [value],
            (ends.low, ends.high) if ends else None,
            f"{name}: {number(value)} {interval(ends, '')}".strip(),
        )
        for name, kind, value, ends in rows
        if value is not None
    ]
