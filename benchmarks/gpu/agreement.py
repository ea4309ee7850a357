"""Do the device and the CPU give the same logits and the same verdict for the same weights?

A small study of its own on ``faces`` with a ResNet-9: originals, retrained and control models are trained on the device, and
the originals trained on with the retain set for one epoch are judged. All logits are computed twice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import harness
from benchmarks.gpu.proof import Given
from benchmarks.gpu.sizes import Compared
from harness.plugins.discovery import find_task
from harness.references.identity import ROLES, member_seeds
from harness.tasks.checking import load_data
from harness.tasks.task import Split, TaskData
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe
from reference_models.training.loop import train_chunk
from reference_models.training.prediction import stacked_logits
from reference_models.training.states import StackedState

TASK = "faces"
RECIPE = Recipe(epochs=8, batch_size=50, lr=0.05, nesterov=True, schedule="one-cycle", precision="bfloat16")
AFTERWARDS = replace(RECIPE, epochs=1, lr=0.005, schedule="constant")
SPLITS = ("forget", "test")
LARGEST_GAP = 1e-2
"""Largest difference of two float32 logits of one model that is put down to rounding."""


def compared(given: Given) -> dict[str, Any]:
    """Return the largest differences of logits and of metrics, and the verdict on either device."""
    sizes = given.sizes.compared
    data = load_data(find_task(TASK))
    network = ArchitectureSpec("resnet9", {"width": sizes.width})
    spec = replace(find_task(TASK).model_spec(data), architecture=network)
    states = _states(spec, data, sizes, given.sizes.device)
    one, other = (_outputs(spec, states, data, sizes.examples, device) for device in ("cpu", given.sizes.device))
    gap = max(float(np.abs(one[name] - other[name]).max()) for name in one if name.endswith(".logits"))
    reports = [
        harness.score(
            found, output=given.folder / "agreement" / str(number), name="trained on", task=TASK, progress=None
        )
        for number, found in enumerate((one, other))
    ]
    return {
        "models": sizes.models,
        "examples": sizes.examples,
        "largest_gap": gap,
        "within_rounding": gap <= LARGEST_GAP,
        "verdicts": [report.verdict.level for report in reports],
        "largest_metric_gap": _metric_gap(*reports),
    }


def _states(spec: ModelSpec, data: TaskData, sizes: Compared, device: str) -> dict[str, StackedState]:
    """Return the weights of all four populations."""
    task = find_task(TASK)
    retain = _of(data.retain, sizes.trained)
    whole = tuple(np.concatenate([kept, forgotten]) for kept, forgotten in zip(retain, _of(data.forget), strict=True))
    seeds = {role: member_seeds(task, role, sizes.models) for role in ROLES}
    found = {
        str(role): train_chunk(spec, RECIPE, *(whole if role == "original" else retain), seeds[role], device=device)
        for role in ROLES
    }
    initial = found["original"]
    found["unlearned"] = train_chunk(spec, AFTERWARDS, *retain, seeds["control"], device=device, initial=initial)
    return found


def _of(split: Split, count: int | None = None) -> tuple[NDArray[Any], NDArray[np.int64]]:
    return np.asarray(split.inputs[:count]), split.labels[:count]


def _outputs(
    spec: ModelSpec, states: dict[str, StackedState], data: TaskData, examples: int, device: str
) -> dict[str, NDArray[Any]]:
    """Return what :func:`harness.score` takes."""
    found: dict[str, NDArray[Any]] = {}
    for split in SPLITS:
        inputs, found[f"{split}.labels"] = _of(data.split(split), examples)
        for name, state in states.items():
            found[f"{name}.{split}.logits"] = stacked_logits(spec, state, inputs, device=device)
    return found


def _metric_gap(one: harness.RunReport, other: harness.RunReport) -> float:
    """Return the largest difference of a metric between two reports of the same outputs."""
    values = [
        {(record.name, metric.name): metric.value for record in report.evaluators for metric in record.metrics}
        for report in (one, other)
    ]
    both = ((value, values[1].get(name)) for name, value in values[0].items())
    return max((abs(value - second) for value, second in both if value is not None and second is not None), default=0.0)
