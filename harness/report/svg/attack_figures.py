"""Plots of attacks on whole models (``joint``) and on forgotten classes (``class_forgetting``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.report.results import EvaluatorRecord
from harness.report.svg.drawing import Scale
from harness.report.svg.figure import Figure
from harness.report.svg.lines import Line, line_plot, marked_axis
from harness.report.svg.model_plots import Strip, strips
from harness.report.words import POPULATION_WORDS, number, plain

JOINT, CLASSES = "joint", "class_forgetting"
ORDER = ("noop", "unlearned", "control")
DELTA_TITLE, CLASS_TITLE = "Delta of whole models, lower bound", "What inputs of the forgotten class are taken for"
MOST_CLASSES = 6
"""Classes that are drawn: those most probable under the control."""


def delta(record: EvaluatorRecord) -> Figure | None:
    """Plot the lower bound of delta against epsilon; None if it was not measured."""
    at = np.asarray(record.arrays.get("epsilon", []), dtype=np.float64)
    arrays = {kind: np.asarray(record.arrays.get(f"{kind}_delta", []), dtype=np.float64) for kind in ORDER}
    known = {kind: values for kind, values in arrays.items() if values.shape == at.shape}
    if record.name != JOINT or "unlearned" not in known or at.ndim != 1 or len(at) < 2:
        return None
    lines = [
        Line(
            kind, tuple((x, y, y, y) for x, y in zip(at.tolist(), values.tolist(), strict=True)), POPULATION_WORDS[kind]
        )
        for kind, values in known.items()
    ]
    scale = Scale(float(at.min()), float(at.max()))
    marks = [(float(x), f"{x:g}") for x in np.unique(np.round(at)) if scale.low <= x <= scale.high]
    caption = (
        "An attack on whole models shows, with 95 % confidence, that they are not (epsilon, delta)-indistinguishable from "
        "retrained ones for any point below the line. At 0 nothing is shown; perfect unlearning looks like the control. "
        "Few models can show little, so that lines coincide where the attack makes no error."
    )
    picture = line_plot(DELTA_TITLE, "delta", lines, scale, lambda one: marked_axis(one, marks, "epsilon"))
    return Figure(DELTA_TITLE, picture, caption, tuple(known))


def taken_for(record: EvaluatorRecord, names: Sequence[str]) -> Figure | None:
    """Plot the probability of the most probable remaining classes on inputs of the forgotten ones; None if not measured.

    Args:
        record: of the evaluator.
        names: of all classes; may be empty.
    """
    arrays = {
        kind: np.asarray(record.arrays.get(f"remaining_per_class_{kind}", []), dtype=np.float64) for kind in ORDER
    }
    classes = np.asarray(record.arrays.get("remaining_classes", []), dtype=np.int64)
    known = {kind: values for kind, values in arrays.items() if len(classes) and values.shape == classes.shape}
    if record.name != CLASSES or "unlearned" not in known:
        return None
    most = np.argsort(-known.get("control", known["unlearned"]), kind="stable")[:MOST_CLASSES]
    groups = [
        (
            plain(names[classes[place]]) if 0 <= classes[place] < len(names) else f"class {classes[place]}",
            [
                Strip(
                    POPULATION_WORDS[kind],
                    kind,
                    [float(100 * values[place])],
                    None,
                    number(float(values[place]), "share"),
                )
                for kind, values in known.items()
            ],
        )
        for place in most
    ]
    caption = (
        "Mean probability of a remaining class on inputs of the forgotten ones, among the remaining classes. Retrained models "
        "take them for similar classes; a method that only suppresses the class does not."
    )
    drawn = (
        f" The {len(most)} of {len(classes)} classes that are most probable under the control."
        if len(most) < len(classes)
        else ""
    )
    return Figure(CLASS_TITLE, strips(groups, "probability, %", CLASS_TITLE), caption + drawn, tuple(known))
