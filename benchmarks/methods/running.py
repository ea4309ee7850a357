"""Every bundled method on one task: runs that are there already are read, stopped ones go on, the others are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import pipeline
from harness.config import RunConfig, RunnerName
from harness.discovery import UNLEARNERS, find_plugins
from harness.progress import Progress
from harness.report.model import Report
from harness.report.writing import REPORT_NAME, load_report
from harness.store import RUN

UNLIMITED = "retrain"  # keeps no limit: it is the end of the scale, not a method
RETRAIN_FRACTION = 4.0
NEEDS_JOURNAL = ("amnesiac", "replay", "sisa")


@dataclass(frozen=True)
class Setting:
    """What is alike for all methods of a table.

    Attributes:
        task: name or path.
        models: of each population; None for the task's own number.
        runner: as of ``harness run``.
        folder: where the runs are kept, one folder a method.
    """

    task: str
    models: int | None
    runner: RunnerName
    folder: Path


def bundled_methods() -> tuple[str, ...]:
    """The names of all unlearners that come with the harness and need nothing but model and data."""
    return tuple(one.name for one in find_plugins(UNLEARNERS) if one.bundled and one.name not in NEEDS_JOURNAL)


def report_of(method: str, setting: Setting, progress: Progress) -> Report:
    """The report of a method, from the run that was made before or from one made now."""
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
        budget_fraction=RETRAIN_FRACTION if method == UNLIMITED else None,
    )
    return pipeline.run(config, progress).report
