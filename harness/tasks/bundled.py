"""The bundled tasks, registered like those of a third-party plugin."""

from __future__ import annotations

from collections.abc import Iterator

from harness.evaluation import hookimpl
from harness.tasks.loading import BUNDLED, bundled_file, load_task
from harness.tasks.task import Task


@hookimpl
def harness_tasks() -> Iterator[Task]:
    """Yield the bundled tasks, each from its YAML file in this package."""
    for name in BUNDLED:
        yield load_task(bundled_file(name), source=f"bundled task {name}")
