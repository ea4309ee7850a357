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
from harness.tasks.task import TaskData

FACES = task_from_text(
    "extends: faces\nname: small\ndataset: {persons: 20}\nforget: {count: 2}\nsplits: {validation: 2, test: 2}\n",
    "test",
    Path(),
)
DATA = FACES.load()


def loaded(change: Callable[[TaskData], TaskData]) -> TaskData:
    return load_data(replace(FACES, load=lambda: change(DATA)))


def forget(**fields: Any) -> Callable[[TaskData], TaskData]:
    return lambda data: replace(data, forget=replace(data.forget, **fields))


def test_sound_data_passes_as_it_is() -> None:
    assert loaded(lambda data: data) is DATA


ids = DATA.forget.ids
FAULTS: dict[str, tuple[Callable[[TaskData], TaskData], str]] = {
    "float pictures": (forget(images=DATA.forget.images / 255), "forget.images: dtype float64; must be uint8"),
    "labels of 32 bits": (
        forget(labels=DATA.forget.labels.astype(np.int32)),
        "forget.labels: dtype int32; must be int64",
    ),
    "labels as truth values": (forget(labels=DATA.forget.labels > 0), "forget.labels: dtype bool"),
    "channels last": (forget(images=DATA.forget.images.transpose(0, 2, 3, 1)), "forget.images: shape"),
    "no channel": (forget(images=DATA.forget.images[:, 0]), "forget.images: shape"),
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
    with pytest.raises(DatasetInvalidError, match=r"(?s)has 2 faults:.*std: .*forget\.images"):
        loaded(lambda data: replace(forget(images=DATA.forget.images / 255)(data), std=(1.0, 1.0, 0.0)))
