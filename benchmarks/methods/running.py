"""Every bundled method on one task: runs that are there already are read, stopped ones go on, the others are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.core.progress import Progress
from harness.plugins.discovery import UNLEARNERS, find_plugins
from harness.report.document import Report
from harness.report.writing import REPORT_NAME, load_report
from harness.runs import pipeline
from harness.runs.config import RunConfig
from harness.runs.store import RUN
from harness.tasks.task import Task

UNLIMITED = "retrain"  # keeps no limit: it is the end of the scale, not a method
RETRAIN_FRACTION = 4.0
NEEDS = {"amnesiac": "updates", "replay": "updates", "sisa": "checkpoints"}
"""The kind of journal of its training that a method must have an original of."""

YARDSTICKS = ("noop", "finetune")
"""What methods with a journal are measured against: their tasks train originals of their own."""


@dataclass(frozen=True)
class Setting:
    """Settings shared by all methods of a table.

    Attributes:
        task: name or path.
        models: of each population; None for the task's own number.
        runner: as of ``harness run``.
        folder: where the runs are kept, one folder a method.
    """

    task: str
    models: int | None
    runner: str
    folder: Path


def bundled_methods(task: Task) -> tuple[str, ...]:
    """Return the names of the bundled unlearners that this task is suited for.

    On a task without journal these are all that need none; on one with a journal, those that need it, and yardsticks.
    """
    bundled = [one.name for one in find_plugins(UNLEARNERS) if one.bundled]
    kind = "checkpoints" if task.sisa is not None else "updates" if task.journal is not None else None
    if kind is None:
        return tuple(name for name in bundled if name not in NEEDS)
    return tuple(name for name in bundled if NEEDS.get(name) == kind or name in YARDSTICKS)


def report_of(method: str, setting: Setting, progress: Progress) -> Report:
    """Return the report of a method, from an earlier run or a new run."""
    folder = setting.folder / Path(setting.task).stem / method
    if (folder / REPORT_NAME).exists():
        return load_report(folder)
    if (folder / RUN).exists():
        return pipeline.resume(folder, progress).report
    config = RunConfig(
        plugin=method,
        task=setting.task,
        runner=setting.runner,
        output=str(folder),
        models=setting.models,
        clock="cpu",  # other programs on the machine then change no limit
        budget_fraction=RETRAIN_FRACTION if method == UNLIMITED else None,
        keep_going=True,  # the page tells how many of all models came back
    )
    return pipeline.run(config, progress).report
