"""Files with a task's data, for training workers and for guests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.tensors import write_tensors
from harness.references.worker_pool import ORDER
from harness.tasks.task import TaskData

DATA_FILE = "data.safetensors"


def write_splits(data: TaskData, names: Sequence[str], path: Path) -> None:
    """Write ``{split}.inputs`` (n, ...) and ``{split}.labels`` (n,) int64 of the named splits as safetensors."""
    splits = {name: data.split(name) for name in names}
    inputs = {f"{name}.inputs": split.inputs for name, split in splits.items()}
    write_tensors(path, inputs | {f"{name}.labels": split.labels for name, split in splits.items()})


def write_examples(data: TaskData, path: Path) -> None:
    """Write ``inputs`` and ``labels`` of all splits, one after another as in :data:`ORDER`, as safetensors."""
    splits = [data.split(name) for name in ORDER]
    write_tensors(path, {"inputs": [split.inputs for split in splits], "labels": [split.labels for split in splits]})
