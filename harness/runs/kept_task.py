"""Storage of a task in its run folder, so that the run does not depend on the task file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.core.reading import foreign
from harness.errors import HarnessError, RunNotFoundError
from harness.plugins.discovery import find_task
from harness.runs.config import RunConfig
from harness.tasks.task import Request, Task

TASK = "task"


def task_to_keep(task: Task, run_folder: Path) -> dict[str, Any] | None:
    """Return JSON values from which :func:`kept_task` restores the task; None for a task without a file."""
    if task.folder is None:
        return None
    folder = task.folder.absolute()
    return {
        "definition": task.definition,
        "source": task.source,
        "folder": str(folder),
        "from_run": os.path.relpath(folder, run_folder.absolute()),
        **({} if task.request is None else {"request": asdict(task.request)}),
    }


def kept_task(begun: Mapping[str, Any], config: RunConfig, run_folder: Path) -> Task:
    """Return the task stored in a run folder, else the registered task of its name.

    Relative paths of a task file are resolved against the file's original folder. If that no longer exists, they are resolved
    against the folder at the same relative path from the run folder.

    Raises:
        RunNotFoundError: the stored task is damaged, or of another version of the harness.
        TaskNotFoundError, TaskInvalidError: see :func:`~harness.plugins.discovery.find_task`.
    """
    if TASK not in begun:
        return find_task(config.task)
    from pydantic import TypeAdapter

    from harness.tasks.loading import request_task, task_from_definition

    with foreign(f"The task in {run_folder} cannot be read by this version of the harness", RunNotFoundError):
        kept = begun[TASK]
        folder, moved = Path(kept["folder"]), run_folder.absolute() / kept["from_run"]
        base = moved if moved.is_dir() and not folder.is_dir() else folder
        task = task_from_definition(json.dumps(kept["definition"]), str(kept["source"]), base)
        return request_task(task, TypeAdapter(Request).validate_python(kept["request"])) if "request" in kept else task


def edited(task: Task, config: RunConfig) -> bool:
    """Return True if the task file of a run still exists and its content has changed."""
    if task.folder is None or not Path(config.task).is_file():
        return False
    try:
        return find_task(config.task).definition != task.definition
    except HarnessError:
        return True
