"""Runs that stand side by side in one folder: each is made, continued, or read if it is there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.core.progress import Progress
from harness.errors import InterruptedRunError
from harness.report.writing import REPORT_NAME, load_report
from harness.runs.config import RunConfig
from harness.runs.fail_fast import failed_alike
from harness.runs.pipeline import RunResult, resume, run
from harness.runs.store import RUN
from harness.runs.streams import whole
from harness.tasks.task import Task


def has_ended(folder: Path) -> bool:
    """Return whether a folder has a finished run: all models have ended, or the first ones failed alike."""
    return (folder / REPORT_NAME).is_file() and (whole(folder) or failed_alike(load_report(folder).models))


def ended_run(
    folder: Path,
    config: RunConfig,
    progress: Progress,
    workers: int | None = None,
    title: str = "",
    task: Task | None = None,
) -> RunResult:
    """Return the finished run of a folder; begin it with these options, or continue it, if it is not finished.

    Args:
        folder: of the run.
        config: its options; the output folder is replaced.
        progress: receives progress messages, and ``title`` first if there is anything to do.
        workers: see :func:`harness.runs.pipeline.resume`.
        title: what the run is, a few words.
        task: the task of a new run; None for that in ``config``.

    Raises:
        HarnessError: as :func:`harness.runs.pipeline.run`.
    """
    if has_ended(folder):
        return RunResult(load_report(folder), folder)
    if title:
        progress.notice(title)
    if (folder / RUN).is_file():
        return resume(folder, progress, workers)
    return run(replace(config, output=str(folder), force=False), progress, task)


@contextmanager
def continued_later(folder: Path, command: str = "harness resume") -> Iterator[None]:
    """Context manager: name the command that continues all runs of a folder if the block is interrupted.

    Raises:
        InterruptedRunError: the block was interrupted.
    """
    try:
        yield
    except (InterruptedRunError, KeyboardInterrupt):
        raise InterruptedRunError(
            f"Stopped. Finished models are stored in {folder}; continue with: {command} {folder}"
        ) from None
