"""One plugin under several versions of torch: an ordinary run for each, side by side in one folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from harness.core.files import atomic_write_json
from harness.core.hardware import available_cores
from harness.core.progress import Progress
from harness.core.reading import foreign
from harness.errors import RunNotFoundError, UsageError
from harness.plugins.discovery import find_task
from harness.runs.config import RunConfig
from harness.runs.pipeline import RunResult
from harness.runs.several import continued_later, ended_run
from harness.runs.store import MATRIX, RunStore, default_run_folder


def torch_versions(text: str) -> tuple[str, ...]:
    """Return the versions in a comma-separated list, oldest first.

    Raises:
        UsageError: an entry is not a version, or occurs twice.
    """
    names = [part.strip() for part in text.split(",")]
    try:
        versions = sorted(names, key=Version)
    except InvalidVersion as error:
        raise UsageError(f"--torch takes comma-separated versions, e.g. 2.4.1,2.13.0: {error}.") from None
    if len({Version(name) for name in versions}) < len(versions):
        raise UsageError(f"--torch names a version twice: {text}.")
    return tuple(versions)


def is_matrix(folder: Path) -> bool:
    """Return True if a folder was made by :func:`run_matrix`."""
    return (folder / MATRIX).is_file()


def run_matrix(config: RunConfig, versions: Sequence[str], progress: Progress) -> list[RunResult]:
    """Run a plugin once for every version of torch, in images; the folder of each is ``torch-VERSION`` below the output folder.

    The reference models are trained once, by the host's torch, and shared by all versions.

    Raises:
        HarnessError: as :func:`harness.runs.pipeline.run`; finished models are stored, for :func:`resume_matrix`.
    """
    if config.runner == "process":
        raise UsageError(
            "Several versions of torch need images, but a process uses the installed torch. Pass `--runner docker`."
        )
    config = replace(config, runner="docker" if config.runner == "auto" else config.runner).with_absolute_paths()
    folder = Path(config.output) if config.output else default_run_folder(config.plugin, find_task(config.task).name)
    (RunStore.create(folder, replace=config.force).folder / "models").rmdir()
    atomic_write_json(folder / MATRIX, {"format": 1, "torch": list(versions), "config": config.to_json()})
    return _go_on(folder, config, versions, progress)


def resume_matrix(folder: Path, progress: Progress, workers: int | None = None) -> list[RunResult]:
    """Continue an interrupted matrix without repeating finished versions or models.

    Args:
        folder: a folder made by :func:`run_matrix`.
        progress: receives progress messages.
        workers: new number of workers, each with as many cores as before; None for no change.

    Raises:
        RunNotFoundError: the folder contains no matrix.
        ResumeMismatchError: an input of the result has changed since the start.
    """
    versions, config = read_matrix(folder)
    if workers is not None:
        config = replace(config, workers=workers, cpus=config.cores_of_one(available_cores()))
    return _go_on(folder, config, versions, progress, workers)


def read_matrix(folder: Path) -> tuple[tuple[str, ...], RunConfig]:
    """Return the versions and the options of a matrix.

    Raises:
        RunNotFoundError: there is none, or it is damaged.
        UsageError: it was made by another version of the harness.
    """
    with foreign(f"{folder / MATRIX} cannot be read", RunNotFoundError):
        kept: dict[str, Any] = json.loads((folder / MATRIX).read_bytes())
        if not isinstance(kept["torch"], list):
            raise TypeError("it lists no versions of torch")
        return torch_versions(",".join(kept["torch"])), RunConfig.from_json(kept["config"])


def _go_on(
    folder: Path, config: RunConfig, versions: Sequence[str], progress: Progress, workers: int | None = None
) -> list[RunResult]:
    with continued_later(folder):
        return [
            ended_run(folder / f"torch-{one}", replace(config, torch=one), progress, workers, f"torch {one}")
            for one in versions
        ]
