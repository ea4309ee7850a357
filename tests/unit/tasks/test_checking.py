"""Data of any task, a stranger's too, is checked before anything is computed from it; nothing is converted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import DatasetInvalidError
from harness.tasks.checking import load_data
from harness.tasks.loading import task_from_text
from harness.tasks.task import Split, TaskData
from reference_models.networks.recipe import Recipe

FACES = task_from_text(
    "extends: faces\nname: small\ndataset: {persons: 20}\nforget: {count: 2}\nsplits: {validation: 2, test: 2}\n",
    "test",
    Path(),
)
DATA = FACES.load()


def loaded(change: Callable[[TaskData], TaskData]) -> TaskData:
    return load_data(replace(FACES, recipe=Recipe(), load=lambda: change(DATA)))


def forget(**fields: Any) -> Callable[[TaskData], TaskData]:
    return lambda data: replace(data, forget=replace(data.forget, **fields))


def test_sound_data_passes_as_it_is() -> None:
    assert loaded(lambda data: data) is DATA


ids = DATA.forget.ids
FAULTS: dict[str, tuple[Callable[[TaskData], TaskData], str]] = {
    "pictures of another type": (
        forget(inputs=DATA.forget.images / 255),
        "forget.inputs: dtype float64; must be that of retain",
    ),
    "labels of 32 bits": (
        forget(labels=DATA.forget.labels.astype(np.int32)),
        "forget.labels: dtype int32; must be int64",
    ),
    "labels as truth values": (forget(labels=DATA.forget.labels > 0), "forget.labels: dtype bool"),
    "channels last": (forget(inputs=DATA.forget.images.transpose(0, 2, 3, 1)), "forget.inputs: shape"),
    "no channel": (forget(inputs=DATA.forget.images[:, 0]), "forget.inputs: shape"),
    "a label too many": (forget(labels=np.append(DATA.forget.labels, 0)), "forget.ids: 8 for 9 labels"),
    "a label out of range": (
        forget(labels=DATA.forget.labels + 10),
        "forget.labels: from 1. to 1.; must be from 0 to 9",
    ),
    "a negative label": (forget(labels=DATA.forget.labels - 10), "forget.labels: from -"),
    "no example": (lambda data: replace(data, forget=data.forget.take(np.empty(0, np.int64))), "forget: no examples"),
    "an id twice": (forget(ids=np.append(ids[:-1], ids[:1])), "ids: .* occurs in forget and again in forget"),
    "an id in two splits": (
        forget(ids=np.append(ids[:-1], DATA.retain.ids[:1])),
        "ids: .* occurs in retain and again in forget",
    ),
    "an id that cannot be seen": (forget(ids=np.append(ids[:-1], ["a\u200b"])), "forget.ids: .*U\\+200B"),
    "a subject in another form": (
        forget(subjects=np.full(len(ids), "e\u0301")),
        "forget.subjects: 'e\\\\u0301' is not normalised",
    ),
    "class names alike": (
        lambda data: replace(data, class_names=("1", "\uff11", *data.class_names[2:])),
        "class_names: '.uff11' can be confused with '1'",
    ),
    "a class name twice": (
        lambda data: replace(data, class_names=("a", "a", *data.class_names[2:])),
        "class_names: a name occurs twice",
    ),
    "a mean that is no number": (lambda data: replace(data, mean=(0.5, 0.5, float("nan"))), "mean: must be finite"),
    "a mean that is missing": (lambda data: replace(data, mean=(0.5, 0.5)), "mean: 2 numbers for 3 channels"),
    "a deviation of 0": (lambda data: replace(data, std=(0.5, 0.5, 0.0)), "std: must be above 0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_data_that_breaks_a_rule_is_refused(fault: str) -> None:
    change, words = FAULTS[fault]

    with pytest.raises(DatasetInvalidError, match=f"(?s)The data of task small.*{words}"):
        loaded(change)


def test_every_fault_is_listed() -> None:
    with pytest.raises(DatasetInvalidError, match=r"(?s)has 2 faults:.*std: .*forget\.inputs"):
        loaded(lambda data: replace(forget(inputs=DATA.forget.images / 255)(data), std=(1.0, 1.0, 0.0)))


def of_vectors(dtype: type, vocabulary: int | None = None, **changes: Any) -> TaskData:
    """Return the same labels and ids with vectors of five numbers, 0 to 8."""

    def split(found: Split) -> Split:
        return replace(found, inputs=(np.arange(5 * len(found)) % 9).reshape(-1, 5).astype(dtype))

    splits = {name: split(DATA.split(name)) for name in ("retain", "forget", "validation", "test")}
    return replace(DATA, **splits, **{"mean": (), "std": (), "vocabulary": vocabulary, **changes})


def spoilt(data: TaskData, value: float) -> TaskData:
    data.test.inputs[1, 2] = value
    return data


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float16, np.float32, np.float64])
def test_inputs_of_any_type_of_number_are_sound(dtype: type) -> None:
    found = loaded(lambda _: of_vectors(dtype))

    assert FACES.model_spec(found).input_shape == (5,)
    assert FACES.model_spec(found).dtype == np.dtype(dtype).name


def test_token_ids_are_sound_with_a_vocabulary() -> None:
    assert FACES.model_spec(loaded(lambda _: of_vectors(np.int16, 9))).vocabulary == 9


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: spoilt(of_vectors(np.float32), np.nan), r"test.inputs: example .* has NaN, infinity"),
        (lambda: spoilt(of_vectors(np.float64), -np.inf), r"test.inputs: example .* has NaN, infinity"),
        (lambda: spoilt(of_vectors(np.int64, 9), 9), r"test.inputs: example .* has a token id outside 0 to 8"),
        (lambda: spoilt(of_vectors(np.int8, 9), -1), r"test.inputs: example .* has a token id outside 0 to 8"),
        (lambda: of_vectors(np.int64), "vocabulary: found None for inputs of dtype int64"),
        (lambda: of_vectors(np.float32, 9), "vocabulary: found 9 for inputs of dtype float32"),
        (lambda: of_vectors(np.complex64), "dtype complex64; must be one of uint8, bool"),
        (lambda: of_vectors(np.int64, 9, mean=(0.0,) * 5, std=(1.0,) * 5), "which are token ids; leave it empty"),
        (lambda: of_vectors(np.float32, mean=(0.0,) * 4, std=(1.0,) * 4), "mean: 4 numbers for 5 channels or columns"),
        (lambda: of_vectors(np.float32, mean=(0.0,) * 5), "std: 0 numbers, and mean has 5"),
    ],
)
def test_inputs_that_break_a_rule_are_refused(data: Callable[[], TaskData], words: str) -> None:
    with pytest.raises(DatasetInvalidError, match=words):
        loaded(lambda _: data())


def test_augmentation_of_other_inputs_than_pictures_is_refused() -> None:
    task = replace(FACES, recipe=Recipe(augment=("crop-pad-4",)), load=lambda: of_vectors(np.float32))

    with pytest.raises(DatasetInvalidError, match=r"recipe.augment: crop-pad-4 is for pictures"):
        load_data(task)


def test_images_is_another_name_of_inputs() -> None:
    split = Split(DATA.test.ids, images=DATA.test.inputs, labels=DATA.test.labels)

    assert split.images is split.inputs is DATA.test.inputs
    with pytest.raises(TypeError, match="inputs"):
        Split(DATA.test.ids, labels=DATA.test.labels)
