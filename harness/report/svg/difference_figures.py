"""The plots of ``difference``: how far the weights of each part moved, and the loss on the way from the original."""

from __future__ import annotations

import numpy as np

from harness.report.results import EvaluatorRecord
from harness.report.svg.drawing import Scale
from harness.report.svg.figure import Figure
from harness.report.svg.lines import Line, line_plot
from harness.report.svg.model_plots import Strip, strips
from harness.report.svg.representation_figure import metric_strips
from harness.report.words import plain

EVALUATOR, DISTANCE = "difference", "distance"
PART = f"{DISTANCE}_part_"
BY_PART = "Distance from the original's weights, by part of the network"
ON_LINE = {
    "retain": "Loss on the way from the original, retained examples",
    "test": "Loss on the way from the original, test examples",
}
KINDS = (("unlearned", "this plugin"), ("control", "control"))


def difference(record: EvaluatorRecord) -> list[Figure]:
    """Return the plots; none if the evaluator is another or measured nothing."""
    if record.name != EVALUATOR:
        return []
    made = [_by_part(record), *(_line(record, *one) for one in ON_LINE.items())]
    return [one for one in made if one is not None]


def _by_part(record: EvaluatorRecord) -> Figure | None:
    chosen = [one for one in record.metrics if one.name == DISTANCE or one.name.startswith(PART)]
    groups: list[tuple[str, list[Strip]]] = [
        (_named(one.name), metric_strips(one)) for one in chosen if one.value is not None
    ]
    if not groups:
        return None
    caption = (
        "Distance of the weights from the original's; 1 is the mean of retrained models, 0 is untouched; with 95 % intervals. "
        "From a small distance memory can often be brought back: a predictor, which the verdict does not use."
    )
    axis = "distance, in units of the retrained models'"
    return Figure(BY_PART, strips(groups, axis, BY_PART), caption, ("noop", "unlearned", "control"))


def _named(metric: str) -> str:
    place, _, name = metric.removeprefix(PART).partition("_")
    return "all weights" if metric == DISTANCE else f"part {place} ({plain(name)})"


def _line(record: EvaluatorRecord, split: str, title: str) -> Figure | None:
    lines = []
    for kind, name in KINDS:
        values = np.asarray(record.arrays.get(f"{kind}_on_line_{split}", []), dtype=np.float64)
        if values.ndim == 2 and len(values) == 3 and values.size:
            shares = np.linspace(0, 1, values.shape[1])
            points = tuple(
                (float(x), float(y), float(low), float(high)) for x, y, low, high in zip(shares, *values, strict=True)
            )
            lines.append(Line(kind, points, name))
    if not lines:
        return None
    caption = (
        "Mean loss at points of the straight line from the original's weights (0) to the model's (1), with 95 % intervals. A "
        "model without a hill in between is in the original's basin, from which memory can often be brought back: a predictor, "
        "which the verdict does not use."
    )
    drawn = line_plot(
        title,
        "mean loss, nats",
        lines,
        Scale(0, 1),
        lambda picture: picture.x_axis("share of the way from the original to the model"),
    )
    return Figure(title, drawn, caption, tuple(one.kind for one in lines))
