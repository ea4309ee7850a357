"""A stream of requests: an ordinary run for each, which unlearns the models that the request before returned.

The stream's folder has the runs in ``request-1``, ``request-2``, ..., and after the last one ``summary.json`` and
``summary.html``, see :mod:`harness.runs.stream_summary`. The weights that the next request needs are kept in the run folders
until then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.files import atomic_write_json
from harness.core.hardware import available_cores
from harness.core.progress import Progress
from harness.core.reading import foreign
from harness.errors import InterruptedRunError, ReportInvalidError, RunNotFoundError, UsageError
from harness.plugins.discovery import find_task
from harness.report.document import utc_now
from harness.report.stream_document import SUMMARY, StreamReport
from harness.report.stream_page import read_summary
from harness.report.writing import REPORT_NAME, load_report
from harness.runs.config import RunConfig
from harness.runs.kept_task import TASK, kept_task, task_to_keep
from harness.runs.pipeline import RunResult, resume, run
from harness.runs.requests import models_of, request_folder
from harness.runs.store import LOCK, RUN, STREAM, RunStore, default_run_folder, held_folder
from harness.runs.stream_summary import summarise
from harness.tasks.checking import load_data
from harness.tasks.loading import request_task
from harness.tasks.task import Request, Task


@dataclass(frozen=True)
class StreamResult:
    """An answered stream.

    Attributes:
        report: the summary over all requests.
        folder: of ``summary.json``, ``summary.html`` and the runs.
    """

    report: StreamReport
    folder: Path


def is_stream(folder: Path) -> bool:
    """Return True if a folder was made by :func:`run_stream`."""
    return (folder / STREAM).is_file()


def run_stream(config: RunConfig, progress: Progress) -> StreamResult:
    """Run a plugin on all requests of a stream, one after the other, and write the summary.

    Raises:
        UsageError: the task is no stream, or an option is not for streams.
        HarnessError: as :func:`harness.runs.pipeline.run`; what has finished is stored, for :func:`resume_stream`.
    """
    config = config.with_absolute_paths()
    task = find_task(config.task)
    check_options(config, task)
    load_data(task)  # every request is checked before the first one begins
    folder = Path(config.output) if config.output else default_run_folder(config.plugin, task.name)
    made = not folder.exists()
    (RunStore.create(folder, replace=config.force).folder / "models").rmdir()
    kept = task_to_keep(task, request_folder(folder, 1))
    with _given_back(folder, made=made):
        begun = {"format": 1, "requests": task.deletions, "config": config.to_json(), "created": utc_now(), TASK: kept}
        atomic_write_json(folder / STREAM, begun)
        return _go_on(folder, config, task, progress)


def resume_stream(folder: Path, progress: Progress, workers: int | None = None) -> StreamResult:
    """Continue an interrupted stream without repeating finished requests or models.

    Args:
        folder: a folder made by :func:`run_stream`.
        progress: receives progress messages.
        workers: new number of workers, each with as many cores as before; None for no change.

    Raises:
        RunNotFoundError: the folder contains no stream.
        ResumeMismatchError: an input of the result has changed since the start.
    """
    config, begun = read_stream(folder)
    task = kept_task(begun, config, request_folder(folder, 1))
    if workers is not None:
        config = replace(config, workers=workers, cpus=config.cores_of_one(available_cores()))
    return _go_on(folder, config, task, progress, workers)


def read_stream(folder: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Return the options of a stream, and all that its file has.

    Raises:
        RunNotFoundError: there is none, or it is damaged.
        UsageError: it was made by another version of the harness.
    """
    with foreign(f"{folder / STREAM} cannot be read", RunNotFoundError, "Run the stream again."):
        kept: dict[str, Any] = json.loads((folder / STREAM).read_bytes())
        return RunConfig.from_json(kept["config"]), kept


def check_options(config: RunConfig, task: Task) -> None:
    """Raise UsageError if the task is no stream, or an option has no meaning for one."""
    if not task.deletions:
        raise UsageError(f"{task.name} has no deletions, so it is no stream of requests; use `harness run`.")
    for flag, given in (
        ("--repeats", config.repeats > 1),
        ("--design", config.design != "per-original"),
        ("--pdb", config.debug),
    ):
        if given:
            raise UsageError(
                f"{flag} is not for a stream: {task.name} has {task.deletions} requests, and each unlearns every model that the "
                "request before returned once. Leave it out."
            )


@contextmanager
def _given_back(folder: Path, *, made: bool) -> Iterator[None]:
    """Context manager: delete the folder if the block raises before any model was begun."""
    try:
        yield
    except BaseException:
        if not request_folder(folder, 1).exists():
            with suppress(OSError):  # what cannot be deleted must not hide why the stream ended
                for name in (STREAM, LOCK):
                    (folder / name).unlink(missing_ok=True)
                if made:
                    folder.rmdir()
        raise


def _go_on(folder: Path, config: RunConfig, task: Task, progress: Progress, workers: int | None = None) -> StreamResult:
    """Answer the requests that are left; hold the folder, so that no other process begins one of them."""
    with held_folder(folder):
        return _answer(folder, config, task, progress, workers)


def _answer(folder: Path, config: RunConfig, task: Task, progress: Progress, workers: int | None) -> StreamResult:
    if (folder / SUMMARY).is_file():
        return StreamResult(read_summary(folder), folder)
    try:
        results: list[RunResult] = []
        for number in range(1, task.deletions + 1):
            progress.notice(f"Request {number} of {task.deletions}")
            results.append(_one(folder, config, task, number, progress, workers))
            if results[-1].report.status == "failed":
                break
        report = summarise(folder, results, config, task, progress)
    except (InterruptedRunError, KeyboardInterrupt):
        raise InterruptedRunError(_stopped(folder)) from None
    if not config.keep_weights:
        _drop_weights(results)
    return StreamResult(report, folder)


def _stopped(folder: Path) -> str:
    if not request_folder(folder, 1).exists():
        return "No model was begun; trained reference models are cached. Run the command again."
    return f"Stopped. Finished models are stored in {folder}; continue with: harness resume {folder}"


def _one(
    folder: Path, config: RunConfig, task: Task, number: int, progress: Progress, workers: int | None
) -> RunResult:
    """Answer a request, or return its result if it has been answered."""
    place = request_folder(folder, number)
    if (place / REPORT_NAME).is_file() and whole(place):
        return RunResult(load_report(place), place)
    if (place / RUN).is_file():
        return resume(place, progress, workers)
    request = Request(number, task.deletions)
    if number > 1:
        before = request_folder(folder, number - 1)
        request = replace(request, models=_left(before, config), previous=load_report(before).run_id)
    chosen = replace(config, output=str(place), keep_weights=True, force=False)
    return run(chosen, progress, request_task(task, request))


def _left(folder: Path, config: RunConfig) -> tuple[int, ...]:
    """Return which models of the first request the next one unlearns: those that were returned, or with ``noop`` all."""
    outcomes = RunStore.open(folder).finished()
    models = models_of(folder, max(outcomes) + 1)
    return tuple(
        models[index] for index in sorted(outcomes) if config.failed_as == "noop" or outcomes[index].status.finished
    )


def whole(folder: Path) -> bool:
    """Return True if every model of a run has ended; a report can be made of a run that was stopped, too.

    Raises:
        ReportInvalidError: the report is damaged.
    """
    try:
        report = load_report(folder)
    except ReportInvalidError as error:
        advice = f"Remove {folder / REPORT_NAME}; `harness resume {folder.parent}` then writes it again."
        raise ReportInvalidError(f"{error} {advice}") from error
    planned = report.design.originals * report.design.repeats
    return len(RunStore(folder).finished()) == len(report.models) and len(report.models) == planned


def _drop_weights(results: Sequence[RunResult]) -> None:
    for one in results:
        RunStore(one.folder).drop_weights()
