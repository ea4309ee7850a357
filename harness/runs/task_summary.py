"""Everything a user wants to know of a task before a run: its data, its network, what it costs, and what is cached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.cache import Cache
from harness.core.hardware import gpu_names
from harness.core.progress import SilentProgress
from harness.core.reading import foreign
from harness.core.text import harmless
from harness.errors import DatasetInvalidError, DatasetMissingError, TaskInvalidError
from harness.references.identity import ROLES
from harness.references.own_network import OwnNetwork
from harness.references.populations import References
from harness.runs.budget import Measurement
from harness.runs.forget_choice import planned_forget_set
from harness.tasks.checking import load_data
from harness.tasks.task import Task, TaskData

MAX_VALUES = 8
"""Number of values that are kept of an example that is no picture."""


@dataclass(frozen=True)
class ClassSummary:
    """A class of a task.

    Attributes:
        name: of the class.
        examples: split -> number of examples with this label.
        example: the first retain example of the class, shape (...); None if it has none.
    """

    name: str
    examples: Mapping[str, int]
    example: NDArray[Any] | None


@dataclass(frozen=True)
class CachedReferences:
    """The cached part of a task's default populations.

    Attributes:
        models: role -> number of models that a run finds in the cache.
        size_bytes: size of all of them.
    """

    models: Mapping[str, int]
    size_bytes: int


@dataclass(frozen=True)
class MeasuredTime:
    """A retraining time that was measured on this machine for this task.

    Attributes:
        seconds: shortest measured retraining of a model, in the unit of the clock.
        clock: "wall", "cpu" or "steps".
        runner: name of the runner.
        device: "cpu" or the GPU's.
        cores: number of cores of a sandbox.
    """

    seconds: float
    clock: str
    runner: str
    device: str
    cores: int


@dataclass(frozen=True)
class TaskSummary:
    """A task; all but ``task`` is empty if its data is not on this machine.

    Attributes:
        task: the task.
        no_data: why the data cannot be read; empty if it can.
        sizes: split -> number of examples.
        shape: of an example's input.
        dtype: of the inputs.
        classes: in the order of the labels.
        subjects: number of different subjects in all splits; None if the data has none.
        parameters: number of trainable parameters of the network.
        cached: reference models in the cache.
        times: measured retraining times.
        requests: of a stream, how many examples each request deletes.
        choice: what the choice of the forget set by models takes, or how it was made; empty if there is nothing to choose.
    """

    task: Task
    no_data: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    dtype: str = ""
    classes: tuple[ClassSummary, ...] = ()
    subjects: int | None = None
    parameters: int | None = None
    cached: CachedReferences | None = None
    times: tuple[MeasuredTime, ...] = ()
    choice: str = ""
    requests: tuple[int, ...] = ()


def summarise(task: Task) -> TaskSummary:
    """Return the summary of a task; nothing is trained.

    Raises:
        TaskInvalidError, LibraryMissingError: its network cannot be built.
    """
    device, own, choice = "cuda" if gpu_names() else "cpu", None, ""
    try:
        if task.choice is not None:
            own, choice = planned_forget_set(OwnNetwork.of(task), device, SilentProgress())
            task = own.task
        data = load_data(task)
    except (DatasetMissingError, DatasetInvalidError) as error:
        return TaskSummary(task, no_data=harmless(str(error)).rstrip("."))
    references = References(task, data, device=device, own=own)
    return TaskSummary(
        task,
        choice=choice,
        requests=() if data.requests is None else tuple(np.bincount(data.requests)[1:].tolist()),
        sizes=data.sizes(),
        shape=tuple(data.retain.inputs.shape[1:]),
        dtype=str(data.retain.inputs.dtype),
        classes=_classes(data),
        subjects=_subjects(data),
        parameters=_parameters(references),
        cached=_cached(references),
        times=_times(references),
    )


def _classes(data: TaskData) -> tuple[ClassSummary, ...]:
    found = []
    for label, name in enumerate(data.class_names):
        counts = {split: int(np.count_nonzero(data.split(split).labels == label)) for split in data.sizes()}
        rows = np.flatnonzero(data.retain.labels == label)
        example = np.asarray(data.retain.inputs[int(rows[0]) : int(rows[0]) + 1])[0] if len(rows) else None
        found.append(ClassSummary(name, counts, example))
    return tuple(found)


def _subjects(data: TaskData) -> int | None:
    known = [subjects for name in data.sizes() if (subjects := data.split(name).subjects) is not None]
    return len(np.unique(np.concatenate(known))) if known else None


def _parameters(references: References) -> int:
    from reference_models.networks.architectures import build_model

    with foreign(f"The network of {references.task.name} cannot be built", TaskInvalidError):
        return sum(one.numel() for one in build_model(references.spec, 0).parameters() if one.requires_grad)


def _cached(references: References) -> CachedReferences:
    models, size = dict.fromkeys(ROLES, 0), 0
    for role in ROLES:
        for chunk in references.chunks(role, references.task.models):
            cache = references.cache if chunk.supplied is None else references.supplied.cache
            if cache.holds(chunk.key_inputs):
                models[role] += chunk.models
                size += sum(file.stat().st_size for file in cache.place(chunk.key_inputs).iterdir())
    return CachedReferences({str(role): count for role, count in models.items()}, size)


def _times(references: References) -> tuple[MeasuredTime, ...]:
    """Return the times measured for originals of this task in any number."""
    first = references.keys("original", 1)[:1]  # a chunk's key is that of its models, so look for whole chunks too
    keys = {*first, *references.keys("original", references.task.models)}
    found = []
    for entry in Cache("budgets").entries():
        inputs = entry.inputs
        if not keys & {*map(str, inputs.get("data") or ())}:
            continue
        try:
            seconds = Measurement.read(entry.path).retrain_min_s
        except (OSError, ValueError):  # damaged: the next run measures again
            continue
        if seconds is not None:
            device = str(inputs.get("device") or "cpu")
            runner, cores = str(inputs.get("runner", "")), int(inputs.get("cores") or 0)
            found.append(MeasuredTime(seconds, str(inputs.get("clock", "wall")), runner, device, cores))
    return tuple(found)
