"""Arrays of a user's own: what is read, what is mapped, and every fault by its array and row."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.core.rows import Rows
from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.datasets import arrays as module
from harness.tasks.datasets.arrays import array_examples
from harness.tasks.examples import Examples
from harness.tasks.loading import task_from_text

N = 12
INPUTS = np.arange(N * 3, dtype=np.float32).reshape(N, 3)
LABELS = np.resize(np.array(["owl", "cat"]), N)
GOOD: dict[str, Any] = {"inputs": INPUTS, "labels": LABELS}


def write(folder: Path, arrays: dict[str, Any], form: str = "npz") -> Path:
    if form == "npz":
        np.savez(folder / "data.npz", **arrays)
    elif form == "safetensors":
        save_file(arrays, folder / "data.safetensors")
    else:
        (folder / "data").mkdir()
        for name, array in arrays.items():
            np.save(folder / "data" / f"{name}.npy", array)
        return folder / "data"
    return folder / f"data.{form}"


def read(folder: Path, arrays: dict[str, Any], form: str = "npz", **options: Any) -> Examples:
    return array_examples(write(folder, arrays, form), **options)


@pytest.mark.parametrize("form", ["npz", "folder"])
def test_text_labels_become_classes_in_order_and_ids_are_made(form: str, tmp_path: Path) -> None:
    examples = read(tmp_path, GOOD, form)

    assert examples.class_names == ("cat", "owl")
    assert examples.train.labels[:3].tolist() == [1, 0, 1]
    assert examples.train.ids[[0, 11]].tolist() == ["00000", "00011"]
    assert np.array_equal(examples.train.inputs[:], INPUTS)
    assert (examples.test, examples.train.subjects, examples.normalise, examples.vocabulary) == (
        None,
        None,
        False,
        None,
    )


def test_every_optional_array_is_read(tmp_path: Path) -> None:
    split = np.resize(np.array(["train", "", "test"]), N)
    more = {"ids": np.arange(100, 100 + N), "subjects": np.resize(np.array(["ann", "ben"]), N), "split": split}
    given = {**GOOD, "labels": np.resize([0, 1], N), "class_names": np.array(["good", "bad"]), **more}

    examples = read(tmp_path, given)

    assert examples.class_names == ("good", "bad")
    assert examples.test is not None
    assert examples.test.ids.tolist() == ["102", "105", "108", "111"]
    assert examples.train.subjects is not None
    assert examples.train.subjects[:3].tolist() == ["ann", "ben", "ben"]
    assert len(examples.train) == 8


@pytest.mark.parametrize("form", ["folder", "safetensors"])
def test_inputs_of_a_folder_and_of_safetensors_are_mapped_and_not_read(form: str, tmp_path: Path) -> None:
    examples = read(
        tmp_path, {"inputs": INPUTS, "labels": np.resize([5, 10, 9, 5], N), "split": np.resize([0, 0, 0, 1], N)}, form
    )

    assert isinstance(examples.train.inputs, Rows)
    assert examples.test is not None
    assert isinstance(examples.test.inputs, Rows)
    assert examples.class_names == ("5", "9", "10")


def test_pictures_of_bytes_are_normalised_unless_told_otherwise(tmp_path: Path) -> None:
    pictures = {"inputs": np.zeros((N, 1, 4, 4), np.uint8), "labels": LABELS}
    path = write(tmp_path, pictures)

    assert array_examples(path).normalise
    assert not array_examples(path, normalise=False).normalise
    assert not read(tmp_path, {"inputs": np.zeros((N, 4), np.uint8), "labels": LABELS}).normalise


def test_whole_numbers_are_token_ids_up_to_the_largest(tmp_path: Path) -> None:
    path = write(tmp_path, {"inputs": INPUTS.astype(np.int16), "labels": LABELS})

    assert array_examples(path).vocabulary == N * 3
    assert array_examples(path, vocabulary=99).vocabulary == 99


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no labels": ({"inputs": INPUTS}, "labels: this array is missing; found inputs"),
    "near miss": ({**GOOD, "subject": LABELS}, "subject: unknown array; did you mean 'subjects'"),
    "other length": ({**GOOD, "labels": LABELS[:5]}, "labels: 5 entries for 12 rows of inputs"),
    "flat inputs": ({**GOOD, "inputs": INPUTS[:, 0]}, r"inputs: shape \(12,\); must be \(n, …\)|must be \(n, \.\.\.\)"),
    "empty examples": ({**GOOD, "inputs": INPUTS[:, :0]}, r"inputs: shape \(12, 0\)"),
    "labels in a column": (
        {**GOOD, "labels": np.zeros((N, 1), int)},
        r"labels: shape \(12, 1\).*labels\.reshape\(-1\)",
    ),
    "labels with a point": ({**GOOD, "labels": np.zeros(N)}, "labels: dtype float64; must be whole numbers or text"),
    "complex inputs": ({**GOOD, "inputs": INPUTS.astype(complex)}, r"inputs: dtype complex128; .*astype\('float32'\)"),
    "wide inputs": ({**GOOD, "inputs": INPUTS.astype(np.uint16)}, "inputs: dtype uint16"),
    "other byte order": ({**GOOD, "inputs": INPUTS.astype(">f4")}, "inputs: dtype >f4"),
    "texts": ({**GOOD, "inputs": np.full((N, 1), "a")}, "for texts, use kind: text"),
    "one class": ({**GOOD, "labels": np.full(N, "cat")}, "all labels are 'cat'; at least two classes"),
    "an id twice": (
        {**GOOD, "ids": np.array([*range(N - 1), 0])},
        r"row 11 \(counted from 0\): the id '0' occurs twice.*row 0",
    ),
    "an empty subject": ({**GOOD, "subjects": np.array(["a"] * 11 + [""])}, "row 11 .*the subject is empty"),
    "look-alike labels": ({**GOOD, "labels": np.array(["1"] * 11 + ["01"])}, "row 11 .*'01' can be confused with '1'"),
    "unknown split": (
        {**GOOD, "split": np.array(["train"] * 11 + ["tset"])},
        "row 11 .*found split 'tset'; allowed: train",
    ),
    "split 2": ({**GOOD, "split": np.array([0] * 11 + [2])}, "row 11 .*the split 2 is neither 0"),
    "test rows alone": ({**GOOD, "split": np.ones(N, bool)}, "training set"),
    "a label of the test set alone": (
        {**GOOD, "labels": np.array([*LABELS[:11], "cad"]), "split": np.array([0] * 11 + [1])},
        "row 11 .*unknown label 'cad'; did you mean 'cat'.*must occur in the training set",
    ),
    "no such class": (
        {**GOOD, "labels": np.array([0, 1] * 5 + [0, 2]), "class_names": np.array(["a", "b"])},
        "row 11 .*the label 2 is no position in class_names; allowed: 0 to 1",
    ),
    "no such name": (
        {**GOOD, "class_names": np.array(["owl", "cow"])},
        "row 1 .*unknown label 'cat'.*class_names has owl, cow",
    ),
    "objects": (
        {**GOOD, "labels": np.array([1, "a"] * 6, dtype=object)},
        "labels: it stores Python objects",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_file_array_and_row(fault: str, tmp_path: Path) -> None:
    given, words = FAULTS[fault]

    with pytest.raises(DatasetInvalidError, match=words) as caught:
        read(tmp_path, given)

    assert "data.npz" in str(caught.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalidError, match=r"has 2 faults:\n.*\n.*"):
        read(tmp_path, {"inputs": INPUTS.astype(complex), "labels": np.zeros(N)})


def test_negative_token_ids_and_values_that_are_not_finite_are_refused_with_their_row(tmp_path: Path) -> None:
    from harness.tasks.checking import load_data

    text = (
        "schema: 1\nname: own\ndataset: {kind: arrays, file: data.npz}\nforget: {by: random, count: 2}\n"
        "splits: {validation: 2, test: 2}\narchitecture: {name: NET}\nrecipe: {epochs: 1}\n"
    )
    wrong = INPUTS.copy()
    wrong[7, 1] = np.nan
    for inputs, net, words in (
        (wrong, "mlp", "example '00007' has NaN, infinity"),
        (
            INPUTS.astype(int) - 1,
            "embedding-bag",
            "inputs: from -1 to 34; whole numbers other than uint8 are token ids",
        ),
        (INPUTS.astype(np.float64) * 1e300, "mlp", "a number beyond 3.4e.38"),
        (np.ones_like(INPUTS), "mlp", "all training inputs are constant"),
    ):
        write(tmp_path, {**GOOD, "inputs": inputs})
        with pytest.raises(DatasetInvalidError, match=words):
            load_data(task_from_text(text.replace("NET", net), "own.yaml", tmp_path))


@pytest.mark.parametrize("form", ["npz", "safetensors", "folder"])
def test_a_file_that_is_cut_off_is_refused(form: str, tmp_path: Path) -> None:
    path = write(tmp_path, {"inputs": INPUTS, "labels": np.resize([0, 1], N)}, form)
    file = path / "inputs.npy" if path.is_dir() else path
    file.write_bytes(file.read_bytes()[:-40])

    with pytest.raises(DatasetInvalidError, match="data"):
        array_examples(path)


def test_an_npz_that_would_fill_the_memory_is_refused_with_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_NPZ_BYTES", 200)

    with pytest.raises(DatasetInvalidError, match=r"folder of \.npy files, which are mapped"):
        read(tmp_path, GOOD)


def test_what_is_no_file_of_arrays_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "data.npz").write_text("no zip")
    (tmp_path / "inputs.npy").write_bytes(b"")

    for name, error, words in (
        ("none", DatasetMissingError, "no file or folder"),
        ("empty", DatasetInvalidError, r"no \.npy files; save inputs\.npy, labels\.npy"),
        ("data.npz", DatasetInvalidError, r"is no \.npz file"),
        ("inputs.npy", DatasetInvalidError, r"neither an \.npz nor a \.safetensors file"),
    ):
        with pytest.raises(error, match=words):
            array_examples(tmp_path / name)


def test_a_vocabulary_of_inputs_that_are_no_token_ids_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalidError, match=r"dataset\.vocabulary: inputs of dtype float32 are no token ids"):
        read(tmp_path, GOOD, vocabulary=5)


@pytest.mark.parametrize("name", ["inputs", "labels"])
def test_a_file_of_another_format_by_the_name_of_an_array_is_refused(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path, {**GOOD}, "folder")
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    (folder / f"{name}.npy").write_bytes((tmp_path / "other.npz").read_bytes())

    with pytest.raises(DatasetInvalidError, match=f"{name}: cannot be read"):
        array_examples(folder)


def test_text_in_an_archive_is_no_array(tmp_path: Path) -> None:
    path = write(tmp_path, {**GOOD})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("ids.npy", "hello")

    with pytest.raises(DatasetInvalidError, match="ids: cannot be read"):
        array_examples(path)


def test_text_of_numbers_that_are_no_characters_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, {**GOOD, "labels": np.resize(["a", "b"], N)}, "folder")
    damaged = (folder / "labels.npy").read_bytes()
    (folder / "labels.npy").write_bytes(damaged[:-4] + b"\xff" * 4)

    with pytest.raises(DatasetInvalidError, match="an array of text is damaged"):
        array_examples(folder)


def test_pictures_with_channels_last_are_refused(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)

    with pytest.raises(DatasetInvalidError, match=r"as inputs.transpose\(0, 3, 1, 2\) is"):
        array_examples(write(tmp_path, {**GOOD, "inputs": pictures}))


@pytest.mark.parametrize("file", ["~nobody-of-this-name/data.npz", "a" * 300 + ".npz"])
def test_a_path_that_no_file_can_have_is_refused(file: str, tmp_path: Path) -> None:
    text = f"schema: 1\nname: own\ndataset: {{kind: arrays, file: '{file}'}}\nforget: {{by: random, count: 2}}\n"

    with pytest.raises(DatasetMissingError, match="cannot be used"):
        task_from_text(text, "own.yaml", tmp_path).load()
