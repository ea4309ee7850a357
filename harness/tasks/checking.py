"""Validation of every task's data, once after loading."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from harness.core.bounds import FINITE, NumberError, Real, Whole
from harness.core.keys import KeyTextError, key, look_alike, shown
from harness.errors import DatasetInvalidError
from harness.tasks.task import Split, Task, TaskData
from harness.tasks.yaml.wording import with_faults

_SPLITS = ("retain", "forget", "validation", "test")


_TASK_NUMBERS: tuple[tuple[str, Whole | Real], ...] = (
    ("models", Whole(2, 10_000)),
    ("seed", Whole(0, 2**63 - 1)),
    ("budget.fraction", Real(0, 1000, above=True)),
    ("budget.measurements", Whole(1, 100)),
    ("margins.memory", Real(0, 1)),
    ("margins.shift_sd", Real(0, 1000, above=True)),
    ("margins.utility_points", Real(0, 100)),
    ("recipe.epochs", Whole(1, 100_000)),
    ("recipe.batch_size", Whole(1, 10_000_000)),
    ("recipe.chunk", Whole(1, 10_000)),
    ("recipe.lr", FINITE),
    ("recipe.weight_decay", FINITE),
)


def number_faults(task: Task) -> Iterator[str]:
    """Yield a fault for each number of a task with a wrong type or out of bounds; a task file has the same bounds."""
    for path, bounds in _TASK_NUMBERS:
        value: object = task
        for part in path.split("."):
            value = getattr(value, part, None)
        try:
            bounds.check(value)
        except NumberError as error:
            yield f"{path} {error}"


def load_data(task: Task) -> TaskData:
    """Load a task's data and check it.

    Raises:
        DatasetMissingError, DatasetInvalidError: raised by :attr:`~harness.tasks.task.Task.load`; the latter also if the
            data violates :class:`~harness.tasks.task.TaskData`. The message lists every fault.
    """
    data = task.load()
    if faults := [
        *_class_faults(data),
        *(fault for name in _SPLITS for fault in _split_faults(data, name)),
        *_shared(data),
    ]:
        raise DatasetInvalidError(with_faults(f"The data of task {task.name}", faults))
    return data


def _class_faults(data: TaskData) -> Iterator[str]:
    if len(data.class_names) < 2:
        yield f"class_names: {len(data.class_names)} given, at least 2 are needed"
    yield from _key_faults("class_names", data.class_names)
    for name, other in look_alike(data.class_names).items():
        yield f"class_names: {name!a} can be confused with {other!a}"
    if len(set(data.class_names)) != len(data.class_names):
        yield "class_names: a name occurs twice"
    for name, values in (("mean", data.mean), ("std", data.std)):
        if not all(isinstance(value, float) and math.isfinite(value) for value in values):
            yield f"{name}: must be finite numbers, found {values}"
        if len(values) != data.retain.images.shape[1:2][0]:
            yield f"{name}: {len(values)} numbers for {data.retain.images.shape[1]} channels"
    if any(value <= 0 for value in data.std):
        yield f"std: must be above 0, found {data.std}"


def _split_faults(data: TaskData, name: str) -> Iterator[str]:
    split = data.split(name)
    size = len(split.labels)
    if size == 0:
        yield f"{name}: no examples"
    shape, like = split.images.shape, data.retain.images.shape
    if len(shape) != 4 or shape[1:] != like[1:]:
        yield f"{name}.images: shape {shape}; must be (n, C, H, W), the same for all splits as for retain, {like}"
    for field, found, wanted in (
        ("images", split.images.dtype, np.uint8),
        ("labels", split.labels.dtype, np.int64),
        ("true_labels", np.int64 if split.true_labels is None else split.true_labels.dtype, np.int64),
    ):
        if found != wanted:
            yield f"{name}.{field}: dtype {found}; must be {np.dtype(wanted)}, since nothing is converted"
    yield from _lengths(split, name, size)
    for field, labels in (("labels", split.labels), ("true_labels", split.true_labels)):
        if labels is not None and size and not 0 <= labels.min() <= labels.max() < data.n_classes:
            yield f"{name}.{field}: from {labels.min()} to {labels.max()}; must be from 0 to {data.n_classes - 1}"
    yield from _key_faults(f"{name}.ids", split.ids.tolist())
    yield from _key_faults(f"{name}.subjects", [] if split.subjects is None else np.unique(split.subjects).tolist())


def _lengths(split: Split, name: str, size: int) -> Iterator[str]:
    fields = {
        "ids": split.ids,
        "images": split.images,
        "subjects": split.subjects,
        "true_labels": split.true_labels,
    }
    for field, values in fields.items():
        if values is not None and len(values) != size:
            yield f"{name}.{field}: {len(values)} for {size} labels"


def _key_faults(what: str, names: list[str] | tuple[str, ...]) -> Iterator[str]:
    for name in names:
        try:
            normal = key(name)
        except KeyTextError as error:
            yield f"{what}: {error}"
        else:
            if normal != name:
                yield f"{what}: {shown(name)} is not normalised (NFC); write it as {normal!a}"


def _shared(data: TaskData) -> Iterator[str]:
    """Yield a fault for the first id that occurs twice, in one split or two."""
    place: dict[str, str] = {}
    for name in _SPLITS:
        for identity in data.split(name).ids.tolist():
            if identity in place:
                yield f"ids: {shown(identity)} occurs in {place[identity]} and again in {name}; ids must be unique"
                return
            place[identity] = name
