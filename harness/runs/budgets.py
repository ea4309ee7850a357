"""One plugin under several budgets: an ordinary run for each share of retraining, side by side in one folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.files import atomic_write_json
from harness.core.hardware import available_cores
from harness.core.progress import Progress
from harness.core.reading import foreign
from harness.errors import RunNotFoundError, UsageError
from harness.plugins.discovery import find_task
from harness.runs.config import RunConfig
from harness.runs.pipeline import RunResult
from harness.runs.several import continued_later, ended_run
from harness.runs.store import BUDGETS, RunStore, default_run_folder

MOST = 20


def check_budgets(config: RunConfig, fractions: Sequence[float]) -> tuple[float, ...]:
    """Return the budgets in ascending order.

    Raises:
        UsageError: one is invalid or occurs twice, there are too many, or the task or an option is not for several budgets.
    """
    ordered = tuple(sorted(replace(config, budget_fraction=one).budget_fraction or 0.0 for one in fractions))
    if len({_name(one) for one in ordered}) < len(ordered):
        raise UsageError(f"--budget-fraction names a share twice: {', '.join(f'{one:g}' for one in ordered)}.")
    if not 2 <= len(ordered) <= MOST:
        raise UsageError(f"--budget-fraction takes one share, or 2 to {MOST} with commas, not {len(ordered)}.")
    if config.debug:
        raise UsageError("--pdb is for a single run; pass one --budget-fraction, or none.")
    task = find_task(config.task)
    if task.deletions:
        raise UsageError(
            f"{task.name} is a stream of requests, which takes one --budget-fraction; repeat the stream with another one."
        )
    return ordered


def run_budgets(config: RunConfig, fractions: Sequence[float], progress: Progress) -> list[RunResult]:
    """Run a plugin once for every share of retraining; the folder of each is ``budget-SHARE`` below the output folder.

    The reference models are trained once, and retraining is measured once.

    Raises:
        UsageError: as :func:`check_budgets`.
        HarnessError: as :func:`harness.runs.pipeline.run`; finished models are stored, for :func:`resume_budgets`.
    """
    ordered = check_budgets(config, fractions)
    config = config.with_absolute_paths()
    folder = Path(config.output) if config.output else default_run_folder(config.plugin, find_task(config.task).name)
    (RunStore.create(folder, replace=config.force).folder / "models").rmdir()
    atomic_write_json(folder / BUDGETS, {"format": 1, "fractions": list(ordered), "config": config.to_json()})
    try:
        return _go_on(folder, config, ordered, progress)
    except BaseException:
        if not any(folder.glob("budget-*")):  # nothing was begun
            (folder / BUDGETS).unlink(missing_ok=True)
            if not any(folder.iterdir()):
                folder.rmdir()
        raise


def has_budgets(folder: Path) -> bool:
    """Return True if a folder was made by :func:`run_budgets`."""
    return (folder / BUDGETS).is_file()


def resume_budgets(folder: Path, progress: Progress, workers: int | None = None) -> list[RunResult]:
    """Continue an interrupted run of several budgets without repeating finished budgets or models.

    Args:
        folder: a folder made by :func:`run_budgets`.
        progress: receives progress messages.
        workers: new number of workers, each with as many cores as before; None for no change.

    Raises:
        RunNotFoundError: the folder contains none, or is damaged.
        ResumeMismatchError: an input of the result has changed since the start.
    """
    with foreign(f"{folder / BUDGETS} cannot be read", RunNotFoundError):
        kept: dict[str, Any] = json.loads((folder / BUDGETS).read_bytes())
        config, fractions = RunConfig.from_json(kept["config"]), tuple(map(float, kept["fractions"]))
    if workers is not None:
        config = replace(config, workers=workers, cpus=config.cores_of_one(available_cores()))
    return _go_on(folder, config, fractions, progress, workers)


def _go_on(
    folder: Path, config: RunConfig, fractions: Sequence[float], progress: Progress, workers: int | None = None
) -> list[RunResult]:
    with continued_later(folder):
        return [
            ended_run(
                folder / _name(one),
                replace(config, budget_fraction=one),
                progress,
                workers,
                f"Budget: {100 * one:g} % of retraining",
            )
            for one in fractions
        ]


def _name(fraction: float) -> str:
    return f"budget-{fraction:g}"
