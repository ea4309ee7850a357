"""The runs of a folder and their states: finished, failed, running, interrupted or damaged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from harness.core.locks import is_held
from harness.core.outcomes import ModelOutcome
from harness.core.reading import foreign
from harness.errors import HarnessError, RunNotFoundError
from harness.report.document import Report, VerdictLevel
from harness.report.stream_document import SUMMARY
from harness.report.words import STATUS_WORDS
from harness.report.writing import REPORT_NAME, parsed_report
from harness.runs.config import RunConfig, options_of_runs
from harness.runs.folders import MODELS, folders_with, run_folders
from harness.runs.marks import Marks, read_marks
from harness.runs.store import BEGUN, LOCK, RUN, STREAM, RunStore

State = Literal["finished", "failed", "running", "interrupted", "damaged"]
STATES: tuple[State, ...] = get_args(State)
_SHOWN_APART = ("plugin", "task", "output", "options", "tags", "note", "debug", "keep_going", "force")


@dataclass(frozen=True, kw_only=True)
class RunEntry:
    """A run, as listed.

    Attributes:
        folder: the run's folder.
        state: finished: all models have ended, and one or more were returned; failed: none was returned; running: a process
            works on the run; interrupted: `harness resume` continues it; damaged: see ``reason``.
        verdict: level of the verdict; None without a report.
        plugin, version, task: what was run; empty if unknown. A plugin that has not been read yet is named as it was requested.
        options: options of the plugin.
        settings: options of the run that differ from their defaults, by their names on the command line.
        tags, note: see :mod:`harness.runs.marks`.
        created, finished: begin and end, UTC, as in reports; empty if unknown or not reached.
        models: number of planned models; None if unknown.
        returned: number of models that the plugin returned.
        ended: number of models that have ended, returned or failed.
        reason: why the run is damaged, or the most frequent failure of its models; empty if there is none.
        request: of a request of a stream, e.g. "request 2 of 3", of a stream "stream, 2 of 3 requests"; else empty.
    """

    folder: Path
    state: State
    verdict: VerdictLevel | None = None
    plugin: str = ""
    version: str = ""
    task: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    note: str = ""
    created: str = ""
    finished: str = ""
    models: int | None = None
    returned: int = 0
    ended: int = 0
    reason: str = ""
    request: str = ""


def list_runs(root: Path) -> list[RunEntry]:
    """Return all runs and streams in a folder and below it, oldest first; damaged ones come first.

    Raises:
        RunNotFoundError: the folder does not exist.
    """
    if not root.is_dir():
        raise RunNotFoundError(f"There is no folder {root}. Pass a folder that contains runs, e.g. `harness ls runs`.")
    found = [*map(read_entry, run_folders(root)), *map(_stream_entry, folders_with(root, (STREAM,)))]
    return sorted(found, key=lambda one: (one.created, str(one.folder)))


def read_entry(folder: Path) -> RunEntry:
    """Return the state of the run in a folder; a damaged run is a state, not an error."""
    known: dict[str, Any] = {"folder": folder}
    try:
        known["state"] = _read(folder, known)
    except (HarnessError, OSError) as error:
        text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        known |= {"state": "damaged", "reason": " ".join(text.replace(f"{folder}/", "").split()).rstrip(".")}
    return RunEntry(**known)


def _stream_entry(folder: Path) -> RunEntry:
    """Return the state of the stream in a folder: that of the run in progress, or whether its summary has been written."""
    try:
        with foreign(f"{STREAM} is damaged", RunNotFoundError, "Run the stream again."):
            begun = json.loads((folder / STREAM).read_bytes())
            known, planned = _requested(begun), int(begun["requests"])
            known["task"] = str(begun["task"]["definition"]["name"])
            summary = folder / SUMMARY
            failed = summary.is_file() and json.loads(summary.read_bytes())["status"] == "failed"
    except HarnessError as error:
        return RunEntry(folder=folder, state="damaged", reason=str(error).rstrip("."))
    answered = sum((place / REPORT_NAME).is_file() for place in folder.glob("request-*"))
    running = any(is_held(place) for place in folder.glob(f"request-*/{LOCK}"))
    ended: State = "failed" if failed else "finished"
    state: State = "running" if running else ended if (folder / SUMMARY).is_file() else "interrupted"
    counts = {"models": planned, "ended": answered, "returned": answered}
    return RunEntry(
        folder=folder, state=state, **known | counts | {"request": f"stream, {answered} of {planned} requests"}
    )


def marks_of(folder: Path) -> Marks:
    """Return the tags and the note of a run in any state.

    Raises:
        RunNotFoundError: there is no run in the folder, or the file of its tags is damaged.
    """
    if (marks := read_marks(folder)) is not None:
        return marks
    if not any((folder / name).is_file() for name in (RUN, REPORT_NAME)):
        raise RunNotFoundError(f"{folder} is not the folder of a run. `harness ls` lists them.")
    found = read_entry(folder)
    return Marks(found.tags, found.note)


def _read(folder: Path, known: dict[str, Any]) -> State:
    """Return the state of a run, and add what else is known of it to ``known``, file by file, until one is damaged."""
    begun = None
    if (folder / RUN).is_file():
        begun = RunStore.open(folder).read_run()
        known |= _requested(begun)
    report = _report(folder / REPORT_NAME)
    if report is not None:
        known |= _reported(report)
    elif begun is not None:
        known["models"] = _planned(folder, begun["config"])
    if (marks := read_marks(folder)) is not None:
        known |= vars(marks)
    ended = _ended(folder, report)
    known |= {"ended": len(ended), "returned": sum(one.status.finished for one in ended), "reason": _failure(ended)}
    return _state(folder, report, len(ended))


def _ended(folder: Path, report: Report | None) -> tuple[ModelOutcome, ...]:
    """Return the outcomes of the models that have ended; a folder that was copied without its models has only its report."""
    if report is not None and not ((folder / RUN).is_file() and (folder / MODELS).is_dir()):
        return report.models
    return tuple(RunStore.open(folder).finished().values())


def _state(folder: Path, report: Report | None, ended: int) -> State:
    if is_held(folder / LOCK):
        return "running"
    if report is None or ended < len(report.models):
        return "interrupted"
    return "failed" if report.status == "failed" else "finished"


def _report(file: Path) -> Report | None:
    return parsed_report(file.read_bytes(), file) if file.is_file() else None


def _requested(begun: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``run.json`` knows of a run."""
    config = RunConfig.from_json(begun["config"])
    plugin = Path(config.plugin).name if "/" in config.plugin else config.plugin
    task = Path(config.task).stem if "/" in config.task else config.task
    flags = options_of_runs()
    settings = {
        flags[one.name].flag: value
        for one in fields(RunConfig)
        if one.name not in _SHOWN_APART
        and one.default is not MISSING
        and (value := getattr(config, one.name)) != one.default
    }
    marks = Marks(config.tags, config.note)
    request = (begun.get("task") or {}).get("request")
    if request is not None:
        settings.pop(flags["keep_weights"].flag, None)  # in a stream, for the next request
    return {
        "plugin": plugin,
        "task": task,
        "options": config.options,
        "settings": settings,
        "created": begun["created"],
        "request": "" if request is None else f"request {request['number']} of {request['total']}",
        **vars(marks),
    }


def _reported(report: Report) -> dict[str, Any]:
    plugin = report.plugin
    return {
        "verdict": report.verdict.level,
        "plugin": plugin.name,
        "version": plugin.version,
        "task": report.task.name,
        "options": plugin.options,
        "tags": report.tags,
        "note": report.note,
        "created": report.created,
        "finished": report.finished or "",
        "models": len(report.models),
    }


def _planned(folder: Path, config: Mapping[str, Any]) -> int | None:
    """Return the number of models of a run without a report; None if the task's number is not known yet."""
    begun = _report(folder / BEGUN)
    if begun is not None:
        return begun.design.originals * begun.design.repeats
    return config["models"] * config["repeats"] if config.get("models") else None


def _failure(ended: tuple[ModelOutcome, ...]) -> str:
    """Return the most frequent failure in words, e.g. "over the time limit"; empty if no model failed."""
    counts = Counter(STATUS_WORDS[one.status] for one in ended if not one.status.finished)
    return counts.most_common(1)[0][0] if counts else ""


def entries_json(entries: list[RunEntry]) -> str:
    """Return the runs as a JSON list, for programs."""
    return json.dumps([_document(one) for one in entries], indent=2, allow_nan=False) + "\n"


def _document(one: RunEntry) -> dict[str, Any]:
    return {**vars(one), "folder": str(one.folder), "tags": list(one.tags)}


def chosen(
    entries: list[RunEntry],
    tags: Collection[str] = (),
    states: Collection[str] = (),
    plugin: str | None = None,
    task: str | None = None,
) -> list[RunEntry]:
    """Return the entries that have all of the tags, one of the states (if any are given), this plugin and this task."""
    return [
        one
        for one in entries
        if set(tags) <= {*one.tags}
        and (not states or one.state in states)
        and plugin in (None, one.plugin)
        and task in (None, one.task)
    ]
