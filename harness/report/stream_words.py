"""The summary of a stream in words, and its table, for page and terminal."""

from __future__ import annotations

from collections.abc import Sequence

from harness.evaluation import Metric
from harness.report.budget_words import amount
from harness.report.stream_document import RequestSummary, StreamReport
from harness.report.words import NOTHING, VERDICT_WORDS, interval, number

HEADINGS = (
    "Request",
    "Forgotten",
    "Verdict",
    "Attack on its\nexamples",
    "Memory\nleft of them",
    "Back of earlier\nexamples",
    "Retain\naccuracy lost",
    "Test\naccuracy lost",
    "Time (share\nof retraining)",
    "Models",
)
HOW = (
    "Attack: AUC of LiRA on the examples of the request (0.5: no better than chance). Memory left: that AUC between retrained "
    "models (0 %) and untouched originals (100 %). Back: mean change of the memory left of earlier requests' examples since "
    "their own request; above 0, what was forgotten comes back. Accuracy lost: against models retrained without the examples "
    "of this and all earlier requests. In brackets: 95 % interval over models; perfect: the same for control models; nothing: "
    "for the originals of the first request, untouched."
)


def sentence(requests: Sequence[RequestSummary], erosion: Sequence[Metric], planned: int) -> str:
    """Return the result of a stream in words."""
    whole = [one for one in requests if one.returned]
    if not whole:
        return f"No model was returned at the first request. {_why(requests[0])}"
    last = whole[-1]
    told = [f"{len(whole)} of {planned} requests were answered."]
    if (loss := last.metric("retain_loss")) is not None and loss.value is not None:
        told.append(_loss(loss, last.number))
    told += [_erosion(one) for one in erosion if one.name == "retain_erosion"]
    if (back := last.metric("reversal")) is not None:
        told.append(_reversal(back))
    if not requests[-1].returned:
        ended = requests[-1]
        told.append(f"The stream ended at request {ended.number}, which returned no model. {_why(ended)}")
    return " ".join(text for text in told if text)


def _why(request: RequestSummary) -> str:
    return f"Why is told in {request.folder}/report.html, within the folder of the stream."


def rows(report: StreamReport) -> list[tuple[str, ...]]:
    """Return a row of the table for each request, in the order of :data:`HEADINGS`."""
    return [_row(report, one) for one in report.requests]


def scale(metric: Metric | None) -> str:
    """Return what perfect unlearning and doing nothing score, e.g. "perfect 0.500, nothing 0.850"."""
    if metric is None or metric.control is None:
        return ""
    return f"perfect {number(metric.control, metric.unit)}, nothing {number(metric.noop, metric.unit)}"


def value(metric: Metric | None) -> str:
    """Return a metric with its interval; a dash without a value."""
    if metric is None or metric.value is None:
        return NOTHING
    ends = interval(metric.interval, "share" if metric.unit == "share" else "")
    return number(metric.value, metric.unit) + (f" ({ends})" if ends else "")


def _row(report: StreamReport, one: RequestSummary) -> tuple[str, ...]:
    known = one.retrain_s and one.charged.value is not None
    retraining = f" ({100 * (one.charged.value or 0) / (one.retrain_s or 1):.0f} %)" if known else ""
    time = NOTHING if one.charged.value is None else f"{amount(one.charged.value, one.clock)}{retraining}"
    return (
        str(one.number),
        str(one.forget),
        VERDICT_WORDS[one.verdict],
        value(report.attack(one.number, one.number)),
        value(report.memory(one.number, one.number)),
        value(one.metric("reversal")),
        value(one.metric("retain_loss")),
        value(one.metric("test_loss")),
        time,
        f"{one.returned} of {one.models}",
    )


def _loss(metric: Metric, request: int) -> str:
    """Return the loss of accuracy after the last request in words."""
    where = f"After request {request}, the accuracy on the retain set"
    if metric.value is None or metric.interval is None:
        return ""
    if metric.interval.low > 0:
        return f"{where} is below that of retrained models by {value(metric)}."
    if metric.interval.high < 0:
        return f"{where} is above that of retrained models; lost: {value(metric)}."
    return f"{where} does not differ visibly from that of retrained models; lost: {value(metric)}."


def _erosion(metric: Metric) -> str:
    if metric.value is None or metric.interval is None:
        return ""
    if metric.interval.low > 0:
        return f"It erodes: {value(metric)} more is lost than after request 1."
    if metric.interval.high < 0:
        return f"It does not erode: the loss changed by {value(metric)} since request 1."
    return f"No erosion is seen: the loss changed by {value(metric)} since request 1, within its uncertainty."


def _reversal(metric: Metric) -> str:
    if metric.value is None:
        return ""
    what = "of the originals' memory of earlier requests' examples"
    if metric.interval is None:
        return f"{value(metric)} {what} came back, without an interval: more models are needed (--models 32)."
    if metric.interval.low > 0:
        return f"Earlier requests come back: {value(metric)} {what}."
    if metric.interval.high < 0:
        return f"Memory of earlier requests went on falling: {value(metric)} {what} came back."
    return f"No return of earlier requests is seen: {value(metric)} {what} came back, within its uncertainty."
