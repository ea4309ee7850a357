"""A task of a few examples, its populations, and checkpoints of its network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.core.cache import Cache
from harness.core.progress import SilentProgress
from harness.references.importing import import_populations
from harness.references.populations import References
from harness.tasks.task import Split, Task, TaskData
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, Recipe

MODELS = 3
PROGRESS = SilentProgress()


def _split(name: str, count: int) -> Split:
    rng = np.random.default_rng(count)
    images = rng.integers(0, 256, (count, 1, 4, 4), dtype=np.uint8)
    return Split(np.array([f"{name}-{i}" for i in range(count)]), images, np.arange(count) % 2)


DATA = TaskData(_split("r", 12), _split("f", 8), _split("v", 4), _split("t", 10), ("a", "b"), (0.5,), (0.5,))
RECIPE = Recipe(epochs=1, batch_size=4, chunk=2)


def references(**more: Any) -> References:
    task = Task("made-up", "", lambda: DATA, ArchitectureSpec("mlp", {"hidden": [2]}), RECIPE, models=MODELS, **more)
    return References(task, DATA)


def cached(kind: str) -> int:
    return len(list(Cache(kind).entries()))


def states(count: int, first: int = 0) -> list[dict[str, torch.Tensor]]:
    return [build_model(references().spec, first + i).state_dict() for i in range(count)]


def imported(folder: Path, control: Path | None = None) -> list[Any]:
    return import_populations(references(), folder / "originals", folder / "retrained", control, PROGRESS)
