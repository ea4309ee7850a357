"""Plots of a stream: what changes from request to request, beside retrained models and untouched originals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.evaluation import Metric
from harness.report.stream_document import RequestSummary, StreamReport
from harness.report.svg.drawing import Frame, Picture, Scale, padded
from harness.report.svg.figure import Figure

FRAME = Frame(width=480, height=300, left=58, right=452, top=14, bottom=246)
UNITS = {"wall": "s", "cpu": "CPU s", "steps": "examples"}


@dataclass(frozen=True)
class Line:
    """A line of a plot.

    Attributes:
        kind: class of the line: unlearned, control, noop or mark.
        points: (request, value, low, high); without an interval, the ends are the value.
        hint: name of the line in tooltips.
        label: written at its last point; empty for none.
    """

    kind: str
    points: tuple[tuple[int, float, float, float], ...]
    hint: str
    label: str = ""


def stream_figures(report: StreamReport) -> list[Figure]:
    """Return the plots of a stream; of one request, there are none."""
    if len(report.requests) < 2:
        return []
    made = [
        ("Accuracy on the retain set", "accuracy, %", _accuracy(report.requests, "retain"), ""),
        ("Accuracy on the test set", "accuracy, %", _accuracy(report.requests, "test"), ""),
        (
            "Attack on the examples of each request",
            "AUC of LiRA",
            _attacks(report),
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
    values = [value for line in lines for _, *ends in line.points for value in ends]
    description = "; ".join(
        f"{line.hint}: " + ", ".join(f"{at}: {y:.3g}" for at, y, _, _ in line.points) for line in lines
    )
    picture = Picture(FRAME, Scale(0.6, requests + 0.4), padded(values), title, description)
    _axis(picture, requests)
    picture.y_axis(axis)
    for line in lines:
        places = [(picture.px(at), picture.py(y)) for at, y, _, _ in line.points]
        if len(places) > 1:
            picture.path(places, f"line {line.kind}")
        _marks(picture, line)
    return picture.text()


def _axis(picture: Picture, requests: int) -> None:
    frame = picture.frame
    picture.path([(frame.left, frame.bottom), (frame.right, frame.bottom)], "axis")
    for number_ in range(1, requests + 1):
        at = picture.px(number_)
        picture.path([(at, frame.bottom), (at, frame.bottom + 4)], "axis")
        picture.words(at, frame.bottom + 18, str(number_))
    picture.words((frame.left + frame.right) / 2, frame.bottom + 36, "after request")


def _marks(picture: Picture, line: Line) -> None:
    """Draw the points of a line, with intervals of the unlearned models alone."""
    for at, y, low, high in line.points:
        x = picture.px(at)
        group = picture.element("g", {"class": f"spot {line.kind}"})
        picture.element("title", {}, f"{line.hint}, request {at}: {y:.3g} ({low:.3g} to {high:.3g})", group)
        picture.element("circle", {"cx": f"{x:.1f}", "cy": f"{picture.py(y):.1f}", "r": "3.5"}, parent=group)
        if line.kind == "unlearned" and high > low:
            picture.whisker(picture.py(low), picture.py(high), x, upright=True)
    if line.label and line.points:
        at, y, _, _ = line.points[-1]
        picture.words(picture.px(at) + 8, picture.py(y) + 4.5, line.label, "start", "name")


def _accuracy(requests: Sequence[RequestSummary], split: str) -> list[Line]:
    found = [(one.number, metric) for one in requests if (metric := one.metric(f"{split}_accuracy"))]
    return _with_ends_of_scale(found, f"{split} accuracy", 100.0)


def _attacks(report: StreamReport) -> list[Line]:
    lines: list[Line] = []
    for request in report.requests:
        own = [(one.after, one.metric) for one in report.attacks if one.request == request.number]
        found = _with_ends_of_scale(own, f"examples of request {request.number}", 1.0, f"{request.number}")
        lines += found
    return lines


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
