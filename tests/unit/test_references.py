"""Populations trained for real, on a few examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.references.populations import References
from harness.tasks.task import Split, Task, TaskData
from reference_models.networks.recipe import ArchitectureSpec, Recipe


def _split(name: str) -> Split:
    rng = np.random.default_rng(0)
    return Split(
        ids=np.array([f"{name}-{i}" for i in range(8)]),
        images=rng.integers(0, 256, (8, 1, 4, 4), dtype=np.uint8),
        labels=np.arange(8) % 2,
    )


def _children() -> set[str]:
    return set(" ".join(file.read_text() for file in Path("/proc/self/task").glob("*/children")).split())


@pytest.mark.usefixtures("real_processes")  # the fork server of the tests is a child that outlives them
def test_no_worker_outlives_the_population_that_it_trained() -> None:
    data = TaskData(_split("r"), _split("f"), _split("v"), _split("t"), ("a", "b"), (0.5,), (0.5,))
    recipe = Recipe(epochs=1, batch_size=4, chunk=1)
    task = Task("made-up", "", lambda: data, ArchitectureSpec("mlp", {"hidden": [2]}), recipe)
    before = _children()

    population = References(task, data).population("retrained", 1)

    assert population.logits["forget"].shape == (1, 8, 2)
    assert _children() <= before
