"""Wording of numbers, directions and failures, shared by terminal summary and page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.core.outcomes import ModelOutcome, Status
from harness.core.text import harmless
from harness.evaluation import Interval, Metric
from harness.report.document import DesignRecord, Report, VerdictLevel
from harness_guest.texts import shortened

NOTHING = "–"
MAX_DETAIL_CHARS = 600
"""Longest error message of a failed model that is shown; longer ones lose their middle, since remedies come last."""

PLAIN_PROCESS = "The plugin ran as a plain process, without isolation"
"""Beginning of a warning that the summary need not repeat beside the line on the runner."""
UNITLESS = ("", "ratio")
WANTED = {
    "higher": "higher",
    "lower": "lower",
    "closer_to_reference": "as perfect",
    "none": "",
}
BETTER = {
    "higher": "Higher is better.",
    "lower": "Lower is better.",
    "closer_to_reference": "Closer to the control is better; values above and below it are equally wrong.",
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
    "not_durable": "not durable",
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
    "not_durable": "bad",
    "unclear": "open",
    "failed": "bad",
}
"""Colour of each verdict: equivalence shown, no difference seen, partial or undecided, not forgotten."""
STATUS_WORDS = {
    Status.OK: "finished",
    Status.OK_DEGRADED: "finished, but hit a limit of the sandbox",
    Status.PLUGIN_ERROR: "the plugin raised an exception",
    Status.TIMEOUT: "over the time limit",
    Status.OOM: "out of memory",
    Status.OOM_GPU: "out of GPU memory",
    Status.DISK_FULL: "scratch space full",
    Status.PIDS_LIMIT: "too many processes or threads",
    Status.KILLED_SIGNAL: "killed by a signal",
    Status.OUTPUT_MISSING: "no weights were returned",
    Status.OUTPUT_INVALID: "the returned weights are invalid",
    Status.OUTPUT_TOO_LARGE: "the returned weights are larger than the model",
    Status.POLICY_VIOLATION: "broke a rule of the sandbox",
    Status.SETUP_ERROR: "could not be prepared",
    Status.INFRA_ERROR: "the sandbox failed; not the plugin's fault",
}


def plain(text: str) -> str:
    """Return untrusted text on one line, with control characters made harmless."""
    return " ".join(harmless(text).split())


def number(value: float | None, unit: str = "") -> str:
    """Format a number with about three digits; shares as per cent, None as a dash."""
    if value is None:
        return NOTHING
    if unit == "share":
        return f"{100 * value:.1f} %"
    return _digits(value) if unit in UNITLESS else f"{_digits(value)} {plain(unit)}"


def _digits(value: float) -> str:
    size = abs(value)
    if size >= 1e6 or 0 < size < 1e-3:
        return f"{value:.1e}"
    return f"{value:.0f}" if size >= 1000 else f"{value:.1f}" if size >= 10 else f"{value:.3f}"


def interval(record: Interval | None, unit: str = "") -> str:
    """Format both ends of an interval; return an empty string for None."""
    if record is None:
        return ""
    low, high = number(record.low, unit), number(record.high, unit)
    shared = "" if unit in UNITLESS else f" {'%' if unit == 'share' else plain(unit)}"
    return f"{low.removesuffix(shared)} to {high}"


def spanned(values: Iterable[float | None], unit: str) -> str:
    """Format one number, or the lowest and the highest if they differ; a dash if none is known."""
    shown = list(dict.fromkeys(number(value, unit) for value in sorted(v for v in values if v is not None)))
    return " to ".join(dict.fromkeys((shown[0], shown[-1]))) if shown else NOTHING


def originals_text(design: DesignRecord) -> str:
    """Describe the models that the plugin started from, e.g. "32 originals" or "one original, repeatedly"."""
    if design.name == "one-original":
        return "one original, repeatedly"
    return f"{design.originals} originals" + (f", {design.repeats} times each" if design.repeats > 1 else "")


def position_text(position: float | None) -> str:
    """Format a metric's position between no-op (0 %) and control (100 %); None as a dash."""
    if position is None:
        return NOTHING
    share = 100 * position
    return f"{round(share)} %" if math.isfinite(share) else f"{share:g} %"


def duration(seconds: float | None) -> str:
    """Format seconds, e.g. "0.42 s", "13.1 s", "2 min 05 s", "1 h 02 min"; None as a dash."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass(frozen=True)
class FailureGroup:
    """Models that failed for the same reason.

    Attributes:
        status: primary cause.
        words: the cause in words.
        models: the models.
        advice: to the plugin's author; from the first model.
        detail: the error in one line, if any, or what was observed of a failed sandbox; from the first model.
    """

    status: Status
    words: str
    models: tuple[ModelOutcome, ...]
    advice: str
    detail: str

    @property
    def indices(self) -> tuple[int, ...]:
        """Return the models' indices."""
        return tuple(model.index for model in self.models)

    @property
    def which(self) -> str:
        """Return the first models by index, e.g. "model 3" or "models 0, 1, 2, 3, 4, 5, …"."""
        shown = ", ".join(map(str, self.indices[:6])) + (", …" if len(self.indices) > 6 else "")
        return f"{'model' if len(self.indices) == 1 else 'models'} {shown}"


def failures(models: Iterable[ModelOutcome]) -> list[FailureGroup]:
    """Group failed models by cause and error class, largest group first."""
    groups: dict[tuple[Status, str | None], list[ModelOutcome]] = {}
    for model in models:
        if not model.status.finished:
            groups.setdefault((model.status, model.evidence.error_type), []).append(model)
    return [_group(members) for members in sorted(groups.values(), key=len, reverse=True)]


def _group(members: list[ModelOutcome]) -> FailureGroup:
    first = members[0]
    return FailureGroup(
        status=first.status,
        words=STATUS_WORDS[first.status],
        models=tuple(members),
        advice=plain(first.advice),
        detail=shortened(plain(_detail(first)), MAX_DETAIL_CHARS),
    )


def _detail(outcome: ModelOutcome) -> str:
    """Return the error behind a failure; without one, what was observed of the sandbox, if it failed."""
    seen = outcome.evidence
    error = ": ".join(part for part in (seen.error_type, seen.error_message) if part)
    if error or outcome.status is not Status.INFRA_ERROR:
        return error
    ended = "" if seen.guest_exit_code is None else f"the guest ended with exit status {seen.guest_exit_code}"
    return "; ".join(part for part in (ended, *seen.notes) if part)


def gist(metric: Metric) -> str:
    """Return the first clause of a metric's description, followed by its note if there is no value."""
    clause = re.split(r"[:;.](?:\s|$)", metric.description, maxsplit=1)[0]
    return plain(clause if metric.value is not None else f"{clause}. {metric.note}")


def tip(metric: Metric) -> str:
    """Return everything needed to read a number: description, note, direction, and the scores of control and no-op."""
    perfect, nothing = number(metric.control, metric.unit), number(metric.noop, metric.unit)
    scale = f"Perfect unlearning (control) scores {perfect}, doing nothing (no-op) {nothing}."
    if (metric.control, metric.noop) == (None, None):
        scale = "Neither control nor no-op has a value."
    parts = (plain(metric.description), plain(metric.note), BETTER[metric.direction], scale)
    return " ".join(part for part in parts if part)


def gathered(warnings: Iterable[str]) -> list[str]:
    """Merge warnings "name: text" with equal text into one, prefixed by all names, in order of first occurrence."""
    names: dict[str, list[str]] = {}
    for warning in warnings:
        name, colon, text = warning.partition(": ")
        named = bool(colon) and name.isidentifier()
        names.setdefault(text if named else warning, []).extend([name] if named else [])
    return [f"{', '.join(found)}: {text}" if found else text for text, found in names.items()]


def headlines(report: Report) -> list[tuple[str, Metric]]:
    """Return headline metrics with their evaluator's name, in the report's order."""
    return [(one.name, metric) for one in report.evaluators for metric in one.metrics if metric.headline]


def axis_label(name: str, metric: Metric) -> str:
    """Return the label of a metric's axis, e.g. "accuracy test, % (higher is better)"."""
    unit = {"share": "%", "ratio": ""}.get(metric.unit, plain(metric.unit))
    wish = {"higher": "higher is better", "lower": "lower is better", "closer_to_reference": "as perfect is best"}
    text = f"{name}, {unit}" if unit else name
    return f"{text} ({wish[metric.direction]})" if metric.direction in wish else text


def label(evaluator: str, metric: Metric) -> str:
    """Return a metric's display name, e.g. "lira auc", or "accuracy test" for ``test`` of the evaluator ``accuracy``."""
    name, owner = metric.name.replace("_", " "), evaluator.replace("_", " ")
    return plain(name if owner in name else f"{owner} {name}")
