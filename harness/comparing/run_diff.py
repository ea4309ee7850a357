"""What differs between two runs, in inputs and outcome, whether they may be compared or not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from harness.comparing.building import compare
from harness.comparing.comparability import torch_of
from harness.comparing.loading import LoadedReport
from harness.errors import NotComparableError, RunNotFoundError
from harness.report.document import Report
from harness.report.words import VERDICT_WORDS, headlines, interval, label, number
from harness.report.writing import REPORT_NAME, load_report
from harness.runs.listing import RunEntry, read_entry
from harness.runs.store import BEGUN

VERSION = "1"
SECTIONS = ("method", "task", "run", "software", "machine")
NOT_SIGNIFICANT = "not significant"
_TOLD_APART = ("architecture", "recipe", "name")  # parts of a task's definition that have fields of their own


@dataclass(frozen=True)
class Change:
    """A field that differs.

    Attributes:
        section: part of the inputs, one of :data:`SECTIONS`, or "outcome".
        name: of the field, e.g. "options.lr".
        first, second: the runs' values; None where a run has none.
        remark: for a metric, whether the difference is significant; else empty.
    """

    section: str
    name: str
    first: JsonValue
    second: JsonValue
    remark: str = ""


@dataclass(frozen=True)
class RunDiff:
    """The differences of two runs.

    Attributes:
        runs: both runs, as listed by ``harness ls``.
        inputs: fields of the inputs that differ, by section.
        outcome: fields of the outcome that differ.
        same: sections of the inputs without a difference.
        notices: caveats in whole sentences, e.g. why the runs' numbers are not comparable.
    """

    runs: tuple[RunEntry, RunEntry]
    inputs: tuple[Change, ...]
    outcome: tuple[Change, ...]
    same: tuple[str, ...]
    notices: tuple[str, ...]


def diff(first: Path, second: Path) -> RunDiff:
    """Return what differs between the runs in two folders; neither has to be finished.

    Raises:
        RunNotFoundError: there is no run in a folder, or it is damaged.
    """
    runs = _entry(first), _entry(second)
    reports = tuple(_report(one) for one in runs)
    known = [report for report in reports if report is not None]
    notices = []
    if len(known) == 2:
        judged = all(report.evaluators for report in known)  # a run without a report has no evaluators yet
        inputs = [_inputs(report, judged=judged) for report in known]
        if len({report.plugin.distribution for report in known}) == 2:
            for found in inputs:  # every file of two packages differs, so a list of them says nothing
                found["method"] = {name: one for name, one in found["method"].items() if not name.startswith("files.")}
    else:
        inputs = [_requested(one) for one in runs]
        early = " and ".join(str(one.folder) for one, report in zip(runs, reports, strict=True) if report is None)
        notices.append(f"No model of {early} has begun: only the options are compared.")
    sections = [name for name in SECTIONS if any(found.get(name) for found in inputs)]
    changes = [change for name in sections for change in _changes(name, *(found.get(name, {}) for found in inputs))]
    outcome = list(_changes("outcome", *map(_state, runs)))
    if all((one.folder / REPORT_NAME).is_file() for one in runs):
        metrics, why_not = _metrics(runs, known)
        outcome += metrics
        notices += why_not
    same = tuple(name for name in sections if name not in {one.section for one in changes})
    return RunDiff(runs, tuple(changes), tuple(outcome), same, tuple(notices))


def _entry(folder: Path) -> RunEntry:
    found = read_entry(folder)
    if found.state == "damaged":
        raise RunNotFoundError(f"{folder} is damaged: {found.reason}.")
    if not found.created:
        raise RunNotFoundError(f"There is no run in {folder}. `harness ls` lists the runs in a folder.")
    return found


def _report(one: RunEntry) -> Report | None:
    """Return the run's report, or that of its beginning; None if no model has begun."""
    file = next((one.folder / name for name in (REPORT_NAME, BEGUN) if (one.folder / name).is_file()), None)
    return None if file is None else load_report(file)


def _requested(one: RunEntry) -> dict[str, dict[str, JsonValue]]:
    return {
        "method": _flat({"name": one.plugin, "options": one.options}),
        "task": {"name": one.task},
        "run": _flat(one.settings),
    }


def _inputs(report: Report, *, judged: bool) -> dict[str, dict[str, JsonValue]]:
    """Return everything that the outcome may depend on: section -> field -> value."""
    plugin, runner, budget, made = report.plugin, report.runner, report.budget, report.populations
    keys = [made.original.cache_key, made.retrained.cache_key, made.control.cache_key]
    definition = {name: value for name, value in report.task.definition.items() if name not in _TOLD_APART}
    found: dict[str, dict[str, Any]] = {
        "method": {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "origin": plugin.origin,
            "options": plugin.options,
            "files": {name: digest[:12] for name, digest in plugin.files.items()},
            "dependencies": plugin.dependencies,
        },
        "task": {
            "name": report.task.name,
            "data": report.task.data_digest[:12],
            "split_sizes": report.task.split_sizes,
            "architecture": report.architecture.model_dump(),
            "recipe": report.recipe,
            "definition": definition,
        },
        "run": {
            "seed": report.seeds.run,
            "design": report.design.model_dump(),
            "retrained_models": made.retrained.size,
            "reference_models": hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:12],
            "limit": {
                "clock": budget.clock,
                "origin": budget.how,
                "fraction": budget.fraction,
                "value": budget.limit_s,
            },
            "failed_as": made.failed_as,
            "runner": runner.name,
            "isolation": runner.isolation_level,
            "sandbox": asdict(runner.requested),
            "gpu": runner.gpu,
        },
        "software": {
            "harness": report.harness_version,
            "torch": torch_of(report),
            "python": runner.python,
            "image": runner.image,
            "libraries": report.libraries,
            "evaluators": {one.name: one.version for one in report.evaluators if judged},
        },
        "machine": asdict(report.hardware),
    }
    return {name: _flat(fields) for name, fields in found.items()}


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, JsonValue]:
    """Return nested mappings as one, with dotted names and JSON values."""
    found: dict[str, JsonValue] = {}
    for name, part in value.items():
        if isinstance(part, Mapping):
            found |= _flat(part, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = to_jsonable_python(part)
    return found


def _changes(section: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys((*first, *second)):
        if first.get(name) != second.get(name):
            yield Change(section, name, first.get(name), second.get(name))


def _state(one: RunEntry) -> dict[str, JsonValue]:
    return {
        "state": one.state,
        "verdict": None if one.verdict is None else VERDICT_WORDS[one.verdict],
        "planned models": one.models,
        "returned models": one.returned,
        "failed models": one.ended - one.returned,
        "most frequent failure": one.reason or None,
    }


def _metrics(runs: Sequence[RunEntry], reports: Sequence[Report]) -> tuple[list[Change], list[str]]:
    """Return the headline metrics that differ, and why the runs' numbers are not comparable, if they are not."""
    shown = [{label(name, one): (f"{name}.{one.name}", one) for name, one in headlines(report)} for report in reports]
    remarks, notices = {}, []
    try:
        made = compare([LoadedReport(report, one.folder) for report, one in zip(reports, runs, strict=True)])
        remarks = {row.name: row.cells[1].difference for row in made.rows}
    except NotComparableError as error:
        notices.append(str(error))
    changes = []
    for name in dict.fromkeys((*shown[0], *shown[1])):
        first, second = (found.get(name) for found in shown)
        one, other = _value(first), _value(second)
        if one != other:
            full = (first or second or ("",))[0]
            difference = remarks.get(full)
            remark = "" if difference is None else difference.mark or NOT_SIGNIFICANT
            changes.append(Change("outcome", name, one, other, remark))
    return changes, notices


def _value(found: tuple[str, Any] | None) -> str | None:
    """Return a metric's value with its interval in words; None without a value."""
    if found is None or found[1].value is None:
        return None
    metric = found[1]
    ends = interval(metric.interval, "share" if metric.unit == "share" else "")
    return number(metric.value, metric.unit) + (f" ({ends})" if ends else "")


def json_text(made: RunDiff) -> str:
    """Return the differences as JSON text."""
    document = {
        "diff_version": VERSION,
        "runs": [{"folder": str(one.folder), **_state(one)} for one in made.runs],
        "inputs": [asdict(one) for one in made.inputs],
        "outcome": [asdict(one) for one in made.outcome],
        "same": made.same,
        "notices": made.notices,
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
