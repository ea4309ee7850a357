"""The page's single forget-set examples: text, plot and picture of each."""

from __future__ import annotations

from harness.report.document import Report
from harness.report.examples import ExampleRecord
from harness.report.svg.drawing import shortened
from harness.report.svg.example_plots import ROWS, example_plot, shared_scale
from harness.report.svg.figure import Figure
from harness.report.words import number, plain

NAME_CHARS = 60
NO_PICTURES = {
    "shown": "",
    "private": "A user's own pictures, and inputs that are no pictures, are not part of the report.",
    "size": "The task's pictures are too large for a report, or do not have one or three channels.",
}


def single_examples(report: Report) -> list[tuple[ExampleRecord, Figure]]:
    """Return the report's examples, largest distance first, each with its plot; empty if it has none."""
    record = report.examples
    if record is None:
        return []
    scale = shared_scale(record)
    made = []
    for one in record.shown:
        title = f"{shortened(plain(one.id), NAME_CHARS)}, {_class(one, report)}"
        made.append((one, Figure(title, example_plot(one, scale, title, _described(one)), _distances(one))))
    return made


def why_none(report: Report) -> str:
    """Return the reason why the page shows no single example."""
    if report.populations.unlearned.size == 0:
        return "No model finished, so there are no examples to show."
    return (
        "This report has no single examples: it was written by an older version, or a population was empty. Run harness "
        "evaluate on the run folder to add them."
    )


def _class(one: ExampleRecord, report: Report) -> str:
    names = report.task.class_names

    def name(label: int) -> str:
        return shortened(plain(names[label]), NAME_CHARS) if label < len(names) else str(label)

    if one.true_label is not None and one.true_label != one.label:
        return f"trained as {name(one.label)}, truly {name(one.true_label)}"
    return f"class {name(one.label)}"


NAMED = {
    "": "",
    "remembered": "Named as remembered: significant by itself. ",
    "over_forgotten": "Named as over-forgotten: significant by itself. ",
}


def _distances(one: ExampleRecord) -> str:
    return (
        f"{NAMED[one.named]}KS distance from retrained models {number(one.distance.unlearned)}; the control's "
        f"{number(one.distance.control)}, the no-op's {number(one.distance.original)}."
    )


def _described(one: ExampleRecord) -> str:
    """Describe the plot in words, for screen readers."""
    means = []
    for population, _, name in ROWS:
        values = getattr(one.phi, population)
        means.append(f"{name}: mean {number(sum(values) / len(values))} over {len(values)} models")
    return f"Confidence in its class. {'; '.join(means)}. {_distances(one)}"


def safe_picture(one: ExampleRecord) -> str | None:
    """Return the picture only if it is pure base64, since it is put into a data URL."""
    allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
    return one.picture if one.picture and set(one.picture) <= set(allowed) else None
