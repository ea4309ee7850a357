"""Data sets as the library datasets saves them, written by that library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.dataset_sections import HuggingfaceDataset
from harness.tasks.examples import Examples
from harness.tasks.loading import task_from_text
from harness.tasks.task import TaskData

datasets = pytest.importorskip("datasets")
LABELS = datasets.ClassLabel(names=["good", "bad"])


def save(folder: Path, columns: dict[str, list[Any]], features: dict[str, Any] | None = None, **more: Any) -> None:
    """Write a data set, or several splits if ``more`` has the columns of others."""
    made = {"train": columns, **more}
    known = datasets.Features(features) if features else None
    parts = {name: datasets.Dataset.from_dict(values, features=known) for name, values in made.items()}
    (datasets.DatasetDict(parts) if more else parts["train"]).save_to_disk(str(folder / "saved"))


def read(folder: Path, **keys: Any) -> Examples:
    from harness.tasks.assembling import read_examples

    return read_examples(HuggingfaceDataset(kind="huggingface", directory=Path("saved"), **keys), folder)


def test_pictures_and_names_of_classes_are_read(tmp_path: Path) -> None:
    pictures = [Picture.new("RGB", (6, 6), (10 * i, 0, 0)) for i in range(4)]
    features = {"photo": datasets.Image(), "label": LABELS, "id": datasets.Value("string")}
    save(tmp_path, {"photo": pictures, "label": [1, 0, 1, 1], "id": list("abcd")}, features)

    examples = read(tmp_path, image="photo", size=6)

    assert examples.class_names == ("good", "bad")
    assert examples.train.labels.tolist() == [1, 0, 1, 1]
    assert examples.train.ids.tolist() == ["a", "b", "c", "d"]
    assert (examples.train.inputs.shape, examples.train.inputs.dtype) == ((4, 3, 6, 6), np.uint8)
    assert examples.train.inputs[2][:, 0, 0].tolist() == [20, 0, 0]
    assert examples.normalise


def test_the_split_test_is_the_official_test_set_and_others_are_left_out(tmp_path: Path) -> None:
    rows = {"text": ["one two", "two", "three"], "label": ["x", "y", "x"]}
    save(tmp_path, rows, test={"text": ["four"], "label": ["y"]}, unsupervised={"text": ["five"], "label": ["z"]})

    examples = read(tmp_path, text="text", length=3)

    assert examples.class_names == ("x", "y")
    assert examples.test is not None
    assert (len(examples.train), len(examples.test)) == (3, 1)
    assert examples.fit is not None
    assert examples.fit(examples.train.inputs).vocabulary == 5


def test_features_keep_their_shape_and_type_or_are_joined(tmp_path: Path) -> None:
    features = {
        "grid": datasets.Array2D((2, 3), "uint8"),
        "tokens": datasets.Sequence(datasets.Value("int32")),
        "age": datasets.Value("int64"),
        "label": datasets.Value("bool"),
    }
    grids = [[[i, 1, 2], [3, 4, 5]] for i in range(3)]
    columns = {"grid": grids, "tokens": [[1, 2], [3, 4], [5, 0]], "age": [7, 8, 9], "label": [True, False, True]}
    save(tmp_path, columns, features)

    assert read(tmp_path, features=("grid",)).train.inputs[:].tolist() == grids
    tokens = read(tmp_path, features=("tokens",))
    assert (tokens.vocabulary, str(tokens.train.inputs.dtype)) == (6, "int32")
    assert read(tmp_path, features=("age",)).train.inputs[:].tolist() == [[7.0], [8.0], [9.0]]
    joined = read(tmp_path, features=("age", "tokens"))
    assert joined.train.inputs[1].tolist() == [8.0, 3.0, 4.0]
    assert joined.class_names == ("False", "True")


@pytest.mark.parametrize("features", [("x", "x"), ("x", "label"), ("label",), ("id",)])
def test_a_feature_that_is_named_twice_or_is_the_label_is_refused(tmp_path: Path, features: tuple[str, ...]) -> None:
    save(tmp_path, {"x": [1.0, 2.0, 3.0], "label": [0, 1, 0], "id": ["a", "b", "c"]})

    with pytest.raises(
        DatasetInvalidError, match=rf"dataset.features: the column '{features[-1]}' is named twice, or is the label"
    ):
        read(tmp_path, features=features)


def test_a_task_of_it_is_split_as_any_other(tmp_path: Path) -> None:
    save(tmp_path, {"x": [[float(i), 1.0] for i in range(40)], "label": [i % 2 for i in range(40)]})
    text = (
        "schema: 1\nname: own\ndataset: {kind: huggingface, directory: saved, features: [x]}\n"
        "forget: {by: random, count: 4}\narchitecture: {name: mlp}\n"
    )

    data: TaskData = task_from_text(text, "own.yaml", tmp_path).load()

    assert data.sizes() == {"retain": 26, "forget": 4, "validation": 4, "test": 6}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"text": "texts"}, r"dataset\.text: .*saved has no column 'texts'; did you mean 'text'.; it has 'text'"),
        ({"text": "text", "label": "lable"}, r"dataset\.label: .*no column 'lable'; did you mean 'label'"),
        ({"image": "text"}, "the column 'text' of .* has no pictures"),
        ({"features": ("ragged",)}, "the column 'ragged' of .* lists of numbers of one length"),
        ({"features": ("text",)}, "the column 'text' of .* must have numbers"),
        ({"text": "gaps"}, r"row 1 \(counted from 0\): the text is empty"),
    ],
)
def test_a_fault_is_told_with_its_column_and_row(keys: dict[str, Any], words: str, tmp_path: Path) -> None:
    columns = {"text": ["a", "b"], "gaps": ["a", None], "ragged": [[1], [2, 3]], "label": ["x", "y"]}
    save(tmp_path, columns)

    with pytest.raises(DatasetInvalidError, match=words):
        read(tmp_path, **keys)


def test_a_picture_that_cannot_be_read_is_told_by_its_row(tmp_path: Path) -> None:
    features = {"photo": datasets.Image(decode=False), "label": LABELS}
    save(tmp_path, {"photo": [{"bytes": b"no picture", "path": None}, None], "label": [0, 1]}, features)

    with pytest.raises(
        DatasetInvalidError, match=r"(?s)row 0 .*the picture cannot be read as an image.*row 1 .*is missing"
    ):
        read(tmp_path, image="photo")


def test_what_is_no_saved_data_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetMissingError, match=r"dataset\.directory: there is no directory"):
        read(tmp_path, text="text")
    (tmp_path / "saved").mkdir()
    with pytest.raises(DatasetInvalidError, match="saved is no data set of save_to_disk"):
        read(tmp_path, text="text")
