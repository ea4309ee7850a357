"""Plots of a stream: what changes from request to request, beside retrained models and untouched originals."""

from __future__ import annotations

from collections.abc import Sequence

from harness.evaluation import Metric
from harness.report.stream_document import RequestSummary, StreamReport
from harness.report.svg.drawing import Scale
from harness.report.svg.figure import Figure
from harness.report.svg.lines import Line, line_plot, marked_axis

UNITS = {"wall": "s", "cpu": "CPU s", "steps": "examples"}


def stream_figures(report: StreamReport) -> list[Figure]:
    """Return the plots of a stream; of one request, there are none."""
    if len(report.requests) < 2:
        return []
    made = [
        ("Accuracy on the retain set", "accuracy, %", _accuracy(report.requests, "retain"), ""),
        ("Accuracy on the test set", "accuracy, %", _accuracy(report.requests, "test"), ""),
        (
            "Memory left of the examples of each request",
            "% of the originals' memory",
            _memory(report),
            "A line for each request, from its own request on. A rising line: the examples come back.",
        ),
        (
            "Time of each request",
            f"per model, {UNITS[report.requests[0].clock]}",
            _times(report.requests),
            "Dashed: retraining on what is left; dotted grey: the limit.",
        ),
    ]
    return [
        Figure(title, plot(title, axis, lines, report.planned), caption)
        for title, axis, lines, caption in made
        if lines
    ]


def plot(title: str, axis: str, lines: Sequence[Line], requests: int) -> str:
    """Return the SVG of lines over the requests."""
    marks = [(number, str(number)) for number in range(1, requests + 1)]
    return line_plot(
        title, axis, lines, Scale(0.6, requests + 0.4), lambda picture: marked_axis(picture, marks, "after request")
    )


def _accuracy(requests: Sequence[RequestSummary], split: str) -> list[Line]:
    found = [(one.number, metric) for one in requests if (metric := one.metric(f"{split}_accuracy"))]
    return _with_ends_of_scale(found, f"{split} accuracy", 100.0)


def _memory(report: StreamReport) -> list[Line]:
    lines: list[Line] = []
    for request in report.requests:
        own = [(one.after, one.memory) for one in report.attacks if one.request == request.number]
        lines += _with_ends_of_scale(own, f"examples of request {request.number}", 100.0, f"{request.number}")
    ends_of_scale: dict[str, Line] = {}
    for line in lines:  # those of the first request, which go through all requests
        if line.kind != "unlearned":
            ends_of_scale.setdefault(line.kind, line)
    return [*ends_of_scale.values(), *(line for line in lines if line.kind == "unlearned")]


def _with_ends_of_scale(found: Sequence[tuple[int, Metric]], hint: str, factor: float, label: str = "") -> list[Line]:
    """Return the lines of unlearned, control and no-op for metrics by request."""
    lines = []
    for kind, field, name in (
        ("noop", "noop", f"{hint}, untouched originals"),
        ("control", "control", f"{hint}, retrained (control)"),
        ("unlearned", "value", hint),
    ):
        points = tuple(
            (at, factor * y, *_ends(metric if field == "value" else None, y, factor))
            for at, metric in found
            if (y := getattr(metric, field)) is not None
        )
        if points:
            lines.append(Line(kind, points, name, label if field == "value" else ""))
    return lines


def _ends(metric: Metric | None, value: float, factor: float) -> tuple[float, float]:
    record = None if metric is None else metric.interval
    return (factor * value, factor * value) if record is None else (factor * record.low, factor * record.high)


def _times(requests: Sequence[RequestSummary]) -> list[Line]:
    charged = tuple(
        (one.number, one.charged.value, *_ends(one.charged, one.charged.value, 1.0))
        for one in requests
        if one.charged.value is not None
    )
    lines = [Line("unlearned", charged, "charged")] if charged else []
    for kind, field, hint in (("control", "retrain_s", "retraining"), ("mark", "limit_s", "limit")):
        points = tuple((one.number, y, y, y) for one in requests if (y := getattr(one, field)) is not None)
        lines += [Line(kind, points, hint)] if points else []
    return lines
