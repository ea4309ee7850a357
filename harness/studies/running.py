"""Runs of a study in its folder: any number of processes may work on one, each on a run that no other works on.

- ``study.yaml``: the study, with absolute paths; ``study.json``: what else must not change while it goes on.
- ``cells/0001-METHOD-TASK-SEED``: a run folder for each run, or for one that could not begin ``0001-….failed.json``.
- ``study.csv`` and ``study.html``: written whenever a process ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.cache import key_of
from harness.core.files import atomic_write_json, atomic_write_text
from harness.core.locks import HeldError, NoLocksError, is_held, locked
from harness.core.progress import Progress
from harness.core.reading import foreign
from harness.errors import (
    BudgetError,
    DatasetInvalidError,
    DatasetMissingError,
    EvaluatorError,
    HarnessError,
    ImageBuildError,
    OutputUnwritableError,
    PluginLoadError,
    PluginNotFoundError,
    PluginPackagingError,
    RunNotFoundError,
    StudyInvalidError,
    UsageError,
)
from harness.plugins.discovery import find_task
from harness.report.document import Report
from harness.report.writing import load_report
from harness.runs.several import continued_later, ended_run, has_ended
from harness.runs.store import LOCK as RUN_LOCK
from harness.runs.store import STUDY
from harness.studies.definition import Cell, Study, parse_study

CELLS, FACTS, LOCK = "cells", "study.json", ".study.lock"
OUTCOMES = (
    BudgetError,
    DatasetInvalidError,
    DatasetMissingError,
    EvaluatorError,
    ImageBuildError,
    PluginLoadError,
    PluginNotFoundError,
    PluginPackagingError,
    UsageError,
)
"""Errors of a run that are its result; all others, e.g. a full disk, stop the study."""


@dataclass(frozen=True)
class Failed:
    """A run that could not be made: the error's class, its message and its exit code."""

    error: str
    message: str
    exit_code: int


Ended = Report | Failed


@dataclass(frozen=True)
class Part:
    """The part of a study that a process works on.

    Attributes:
        cell: number of the only run; None for all.
        shard, shards: every ``shards``-th run from number ``shard``, from 1.
        retry: make runs again that could not be made.
    """

    cell: int | None = None
    shard: int = 1
    shards: int = 1
    retry: bool = False

    def of(self, study: Study) -> tuple[Cell, ...]:
        """Return the runs.

        Raises:
            UsageError: there is no such run or shard.
        """
        if self.cell is not None:
            if not 1 <= self.cell <= len(study.cells):
                raise UsageError(f"--cell must be from 1 to {len(study.cells)}, not {self.cell}.")
            return (study.cells[self.cell - 1],)
        if not 1 <= self.shard <= self.shards:
            raise UsageError(f"--shard takes I/N with I from 1 to N, not {self.shard}/{self.shards}.")
        return study.cells[self.shard - 1 :: self.shards]


def run_study(study: Study, folder: Path, progress: Progress, part: Part | None = None) -> int:
    """Make the runs of a study, or of a part, that have not ended; return how many other processes are working on.

    Raises:
        StudyInvalidError: the folder has another study, or a task has changed since it was begun.
        InterruptedRunError: the study was stopped; what has ended is kept.
        HarnessError: the machine's fault, e.g. a full disk; what has ended is kept.
    """
    part = part or Part()
    cells = part.of(study)
    begin(study, folder)
    elsewhere = 0
    with continued_later(folder), progress.step(f"study {study.name}", len(cells)) as step:
        for cell in cells:
            step.tell(cell.title)
            elsewhere += not _go_on(cell, folder, progress, part, len(study.cells))
            step.advance()
    return elsewhere


@contextmanager
def given_back(folder: Path, *, made: bool) -> Iterator[None]:
    """Context manager: undo :func:`begin` if the block raises before any run of the study was begun, so that it can be mended.

    Args:
        folder: of the study.
        made: what :func:`begin` returned.
    """
    try:
        yield
    except BaseException:
        if made:
            with (
                suppress(OSError, HarnessError, HeldError),
                locked(folder / LOCK),
            ):  # what stays must not hide the fault
                (folder / CELLS).rmdir()  # fails if another process has begun a run
                (folder / STUDY).unlink()
                (folder / FACTS).unlink()
                (folder / LOCK).unlink()
                folder.rmdir()
        raise


def begin(study: Study, folder: Path) -> bool:
    """Create the folder of a study, and return True; return False if it has this study already.

    Raises:
        StudyInvalidError: it has another study, or a task has changed since.
        OutputUnwritableError: it cannot be written, or has other files.
    """
    facts = {"format": 1, "tasks": {one: key_of(find_task(one).definition) for one in _tasks(study)}}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / LOCK):
            if (folder / STUDY).exists():
                _same(study, facts, folder)
                return False
            if others := [one.name for one in folder.iterdir() if one.name not in (LOCK, CELLS, FACTS)]:
                raise OutputUnwritableError(
                    f"{folder} contains other files than a study, e.g. {others[0]}. Choose another folder with --output."
                )
            (folder / CELLS).mkdir(exist_ok=True)
            atomic_write_json(folder / FACTS, facts)
            atomic_write_text(folder / STUDY, study.text())  # last: with it the folder is a study's
            return True
    except OSError as error:
        raise OutputUnwritableError(f"{folder} cannot be used for a study: {error}") from error


def opened(folder: Path) -> Study:
    """Return the study of a folder.

    Raises:
        RunNotFoundError: there is none.
        StudyInvalidError: it is damaged, or of another version of the harness.
    """
    if not is_study(folder):
        raise RunNotFoundError(f"There is no study in {folder}; `harness study FILE --output {folder}` begins one.")
    text = (folder / STUDY).read_text(encoding="utf-8", errors="replace")
    return parse_study(text, str(folder / STUDY), folder)


def is_study(folder: Path) -> bool:
    """Return True if a folder was made by :func:`begin`."""
    return (folder / STUDY).is_file()


def ended(cell: Cell, folder: Path) -> Ended | None:
    """Return the result of a run of a study; None if it has not ended."""
    place = folder / CELLS / cell.name
    if has_ended(place):
        return load_report(place)
    if (failed := _failed(place)).is_file():
        with foreign(f"{failed} cannot be read", RunNotFoundError, "Delete it, and the run is made again."):
            return Failed(**json.loads(failed.read_bytes()))
    return None


def _tasks(study: Study) -> list[str]:
    return list(dict.fromkeys(cell.config.task for cell in study.cells))


def _same(study: Study, facts: dict[str, Any], folder: Path) -> None:
    if opened(folder).definition != study.definition:
        raise StudyInvalidError(
            f"{folder} has another study of this name: its study.yaml differs. Choose another folder with --output, or "
            f"continue that one with: harness resume {folder}"
        )
    with foreign(f"{folder / FACTS} cannot be read", RunNotFoundError):
        before = json.loads((folder / FACTS).read_bytes())["tasks"]
    if changed := [one for one, key in facts["tasks"].items() if before.get(one) != key]:
        raise StudyInvalidError(
            f"The task {changed[0]} has changed since the study in {folder} was begun, so that its runs would not be "
            "comparable. Undo the change, or choose another folder with --output."
        )


def _go_on(cell: Cell, folder: Path, progress: Progress, part: Part, total: int) -> bool:
    """Make a run unless it has ended; return False if another process works on it."""
    place = folder / CELLS / cell.name
    with _claimed(place) as ours:
        if not ours or is_held(place / RUN_LOCK):  # by `harness resume` of that run
            return False
        if part.retry:
            _failed(place).unlink(missing_ok=True)
        if _failed(place).is_file():
            return True
        try:
            ended_run(place, cell.config, progress, title=f"Run {cell.number} of {total}: {cell.title}")
        except OUTCOMES as error:
            progress.notice(f"Run {cell.number} could not be made: {error}")
            atomic_write_json(_failed(place), vars(_failure(error)))
    return True


def _failure(error: HarnessError) -> Failed:
    return Failed(type(error).__name__, str(error), error.exit_code)


def _failed(place: Path) -> Path:
    return place.with_name(f"{place.name}.failed.json")


@contextmanager
def _claimed(place: Path) -> Iterator[bool]:
    """Context manager: yield whether this process alone works on a run, for as long as the block lasts."""
    try:
        with locked(place.with_name(f".{place.name}.lock"), wait=False):
            yield True
    except HeldError:
        yield False
    except NoLocksError as error:
        raise OutputUnwritableError(
            f"{error}, so that processes cannot share a study. Choose a folder on another disk with --output."
        ) from error


def results_of(study: Study, folder: Path) -> Sequence[tuple[Cell, Ended | None]]:
    """Return each run of a study with its result, None for one that has not ended."""
    return [(cell, ended(cell, folder)) for cell in study.cells]
