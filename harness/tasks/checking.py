"""Validation of every task's data, once after loading."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.bounds import FINITE, NumberError, Real, Whole
from harness.core.keys import KeyTextError, key, look_alike, shown
from harness.core.rows import chunks
from harness.errors import DatasetInvalidError
from harness.tasks.task import INPUT_DTYPES, TOKEN_DTYPES, Split, Task, TaskData
from harness.tasks.yaml.wording import with_faults

_SPLITS = ("retain", "forget", "validation", "test")
_LARGEST = float(np.finfo(np.float32).max)
_WRONG = {
    "f": f"NaN, infinity, or a number beyond {_LARGEST:.1e}, the largest of float32, which networks read",
    "i": "a token id outside 0 to {}",
    "b": "a truth value that is neither 0 nor 1 in the file",
}
"""Kind of a dtype -> what :func:`_wrong_values` finds."""


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
        *_augmentation_faults(task, data),
        *_shared(data),
    ]:
        raise DatasetInvalidError(with_faults(f"The data of task {task.name}", faults))
    return data


def _augmentation_faults(task: Task, data: TaskData) -> Iterator[str]:
    if task.recipe.augment and len(data.retain.inputs.shape) != 4:
        yield (
            f"recipe.augment: {task.recipe.augment[0]} is for pictures, (n, C, H, W); inputs have the shape "
            f"{data.retain.inputs.shape}: remove it (augment: [])"
        )


def _class_faults(data: TaskData) -> Iterator[str]:
    if len(data.class_names) < 2:
        yield f"class_names: {len(data.class_names)} given, at least 2 are needed"
    yield from _key_faults("class_names", data.class_names)
    for name, other in look_alike(data.class_names).items():
        yield f"class_names: {name!a} can be confused with {other!a}"
    if len(set(data.class_names)) != len(data.class_names):
        yield "class_names: a name occurs twice"
    yield from _normalisation_faults(data)


def _normalisation_faults(data: TaskData) -> Iterator[str]:
    inputs = data.retain.inputs
    token = str(inputs.dtype) in TOKEN_DTYPES
    for name, values in (("mean", data.mean), ("std", data.std)):
        if not all(isinstance(value, float) and math.isfinite(value) for value in values):
            yield f"{name}: must be finite numbers, found {values}"
        if len(inputs.shape) > 1 and len(values) not in (0, inputs.shape[1]):
            yield f"{name}: {len(values)} numbers for {inputs.shape[1]} channels or columns"
        if values and token:
            yield f"{name}: given for inputs of dtype {inputs.dtype}, which are token ids; leave it empty"
    if len(data.mean) != len(data.std):
        yield f"std: {len(data.std)} numbers, and mean has {len(data.mean)}"
    if any(value <= 0 for value in data.std):
        yield f"std: must be above 0, found {data.std}"
    if token != (data.vocabulary is not None):
        yield (
            f"vocabulary: found {data.vocabulary} for inputs of dtype {inputs.dtype}; inputs of "
            f"{', '.join(TOKEN_DTYPES)} need the number of token ids, others none"
        )


def _split_faults(data: TaskData, name: str) -> Iterator[str]:
    split = data.split(name)
    size = len(split.labels)
    if size == 0:
        yield f"{name}: no examples"
    yield from _input_faults(data, name)
    for field, found, wanted in (
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


def _input_faults(data: TaskData, name: str) -> Iterator[str]:
    """Yield a fault for the shape, the type and each range of a split's inputs."""
    inputs, like = data.split(name).inputs, data.retain.inputs
    if len(inputs.shape) < 2 or 0 in inputs.shape[1:] or inputs.shape[1:] != like.shape[1:]:
        yield f"{name}.inputs: shape {inputs.shape}; must be (n, ...), the same for all splits as for retain, {like.shape}"
    if inputs.dtype != like.dtype:
        yield f"{name}.inputs: dtype {inputs.dtype}; must be that of retain, {like.dtype}, since nothing is converted"
    if str(inputs.dtype) not in INPUT_DTYPES:
        yield f"{name}.inputs: dtype {inputs.dtype}; must be one of {', '.join(INPUT_DTYPES)}"
        return
    first = 0
    for chunk in chunks(inputs):
        wrong = _wrong_values(chunk, data.vocabulary)
        if wrong.any():
            row = int(np.argmax(wrong.reshape(len(chunk), -1).any(axis=1)))
            example = shown(str(data.split(name).ids[first + row]))
            yield f"{name}.inputs: example {example} has {_WRONG[chunk.dtype.kind].format((data.vocabulary or 0) - 1)}"
            return
        first += len(chunk)


def _wrong_values(chunk: NDArray[Any], vocabulary: int | None) -> NDArray[np.bool_]:
    """Return where floating-point inputs are not finite as float32, and token ids are not in the vocabulary."""
    if chunk.dtype.kind == "f":
        fine = np.abs(chunk) <= _LARGEST if chunk.dtype.itemsize > 4 else np.isfinite(chunk)
        return np.asarray(~fine)
    if chunk.dtype == np.bool_:
        return np.asarray(chunk.view(np.uint8) > 1)
    if vocabulary is not None and chunk.dtype.kind == "i":
        return np.asarray((chunk < 0) | (chunk >= vocabulary))
    return np.zeros(0, dtype=np.bool_)


def _lengths(split: Split, name: str, size: int) -> Iterator[str]:
    fields = {
        "ids": split.ids,
        "inputs": split.inputs,
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
