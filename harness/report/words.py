"""How numbers, directions and failures are worded, alike in the terminal summary and on the page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.outcomes import Status
from harness.report.model import DesignRecord, IntervalRecord, MetricRecord, ModelRecord, Report, VerdictLevel
from harness.text import harmless

NOTHING = "–"
PURE = ("", "ratio")
WANTED = {
    "higher": "higher",
    "lower": "lower",
    "closer_to_reference": "as perfect",
    "none": "",
}
BETTER = {
    "higher": "Higher is better.",
    "lower": "Lower is better.",
    "closer_to_reference": "The nearer to perfect, the better: more is as wrong as less.",
    "none": "",
}
POPULATION_WORDS = {"unlearned": "this plugin", "control": "perfect (control)", "noop": "nothing done (no-op)"}
VERDICT_WORDS: dict[VerdictLevel, str] = {
    "as_retrained": "as retrained",
    "no_difference_seen": "no difference seen",
    "partial": "partial",
    "none": "none",
    "over_forgetting": "over-forgetting",
    "mixed": "mixed",
    "another_model": "another model",
    "unclear": "unclear",
    "failed": "failed",
}
VERDICT_TONE: dict[VerdictLevel, Literal["good", "fair", "open", "bad"]] = {
    "as_retrained": "good",
    "no_difference_seen": "fair",
    "partial": "open",
    "none": "bad",
    "over_forgetting": "bad",
    "mixed": "bad",
    "another_model": "bad",
    "unclear": "open",
    "failed": "bad",
}
"""How a verdict is coloured: equivalence shown, nothing seen, in between or undecided, and not forgotten."""
STATUS_WORDS = {
    Status.OK: "finished",
    Status.OK_DEGRADED: "finished, though a limit of the sandbox struck",
    Status.PLUGIN_ERROR: "the plugin raised an exception",
    Status.TIMEOUT: "over the time limit",
    Status.OOM: "out of memory",
    Status.OOM_GPU: "out of GPU memory",
    Status.DISK_FULL: "scratch space full",
    Status.PIDS_LIMIT: "too many processes or threads",
    Status.KILLED_SIGNAL: "killed by a signal",
    Status.OUTPUT_MISSING: "no weights came back",
    Status.OUTPUT_INVALID: "the weights that came back cannot be used",
    Status.OUTPUT_TOO_LARGE: "more bytes came back than the model has",
    Status.POLICY_VIOLATION: "broke a rule of the sandbox",
    Status.SETUP_ERROR: "could not be made ready",
    Status.INFRA_ERROR: "the sandbox broke; not the plugin's fault",
}


def plain(text: str) -> str:
    """Untrusted text on one line, made harmless."""
    return " ".join(harmless(text).split())


def number(value: float | None, unit: str = "") -> str:
    """A number for people: three digits or so; shares as per cent; a dash where there is none."""
    if value is None:
        return NOTHING
    if unit == "share":
        return f"{100 * value:.1f} %"
    return _digits(value) if unit in PURE else f"{_digits(value)} {plain(unit)}"


def _digits(value: float) -> str:
    size = abs(value)
    if size >= 1e6 or 0 < size < 1e-3:
        return f"{value:.1e}"
    return f"{value:.0f}" if size >= 1000 else f"{value:.1f}" if size >= 10 else f"{value:.3f}"


def interval(record: IntervalRecord | None, unit: str = "") -> str:
    """Both ends of an interval; empty where there is none."""
    if record is None:
        return ""
    low, high = number(record.low, unit), number(record.high, unit)
    shared = "" if unit in PURE else f" {'%' if unit == 'share' else plain(unit)}"
    return f"{low.removesuffix(shared)} to {high}"


def origin(design: DesignRecord) -> str:
    """What was unlearned, e.g. "32 originals", "8 originals, 4 times each" or "one original, again and again"."""
    if design.name == "one-original":
        return "one original, again and again"
    return f"{design.originals} originals" + (f", {design.repeats} times each" if design.repeats > 1 else "")


def way(position: float | None) -> str:
    """A metric's position between no-op and control as per cent; a dash where there is none."""
    if position is None:
        return NOTHING
    share = 100 * position
    return f"{round(share)} %" if math.isfinite(share) else f"{share:g} %"


def duration(seconds: float | None) -> str:
    """Seconds for people, e.g. "0.42 s", "13.1 s", "2 min 05 s", "1 h 02 min"; a dash where there are none."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass(frozen=True)
class FailureGroup:
    """Models that failed alike.

    Attributes:
        status: their primary cause.
        words: the cause in words.
        indices: which models.
        advice: what the author can do; the first model's.
        detail: the plugin's own error in one line where there was one; the first model's.
    """

    status: Status
    words: str
    indices: tuple[int, ...]
    advice: str
    detail: str


def failures(models: Iterable[ModelRecord]) -> list[FailureGroup]:
    """Failed models grouped by cause and error class, largest group first."""
    groups: dict[tuple[Status, str | None], list[ModelRecord]] = {}
    for model in models:
        if not model.status.finished:
            groups.setdefault((model.status, model.evidence.error_type), []).append(model)
    return [_group(members) for members in sorted(groups.values(), key=len, reverse=True)]


def _group(members: list[ModelRecord]) -> FailureGroup:
    first = members[0]
    found = (first.evidence.error_type, first.evidence.error_message)
    return FailureGroup(
        status=first.status,
        words=STATUS_WORDS[first.status],
        indices=tuple(model.index for model in members),
        advice=plain(first.advice),
        detail=plain(": ".join(part for part in found if part))[:300],
    )


def gist(metric: MetricRecord) -> str:
    """What a metric is, in few words: its description's first clause, and the note where there is no number."""
    clause = re.split(r"[:;.](?:\s|$)", metric.description, maxsplit=1)[0]
    return plain(clause if metric.value is not None else f"{clause}. {metric.note}")


def tip(metric: MetricRecord) -> str:
    """All that is needed to read a number: what it is, which way is better, what perfect and what nothing done scores."""
    perfect, nothing = number(metric.control, metric.unit), number(metric.noop, metric.unit)
    scale = f"Perfect unlearning (control) scores {perfect}, doing nothing (no-op) {nothing}."
    if (metric.control, metric.noop) == (None, None):
        scale = "There is no such number for perfect unlearning or for doing nothing."
    parts = (plain(metric.description), plain(metric.note), BETTER[metric.direction], scale)
    return " ".join(part for part in parts if part)


def gathered(warnings: Iterable[str]) -> list[str]:
    """Warnings "name: text" of one text told once, with all names before it, in the order in which they first came."""
    names: dict[str, list[str]] = {}
    for warning in warnings:
        name, colon, text = warning.partition(": ")
        named = bool(colon) and name.isidentifier()
        names.setdefault(text if named else warning, []).extend([name] if named else [])
    return [f"{', '.join(found)}: {text}" if found else text for text, found in names.items()]


def headlines(report: Report) -> list[tuple[str, MetricRecord]]:
    """Headline metrics with their evaluator's name, in the report's order."""
    return [(one.name, metric) for one in report.evaluators for metric in one.metrics if metric.headline]


def label(evaluator: str, metric: MetricRecord) -> str:
    """A metric's name for people, e.g. "lira auc", or "test accuracy" of the evaluator ``accuracy``."""
    name, owner = metric.name.replace("_", " "), evaluator.replace("_", " ")
    return plain(name if owner in name else f"{owner} {name}")
