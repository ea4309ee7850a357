"""From a definition to data: sizes, seeds, what is kept apart, and normalisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import DatasetInvalidError, DatasetMissingError, TaskInvalidError
from harness.tasks.loading import task_from_text
from harness.tasks.task import TaskData
from tests.unit.tasks.files import write_fashion_mnist, write_pictures

SPLITS = ("retain", "forget", "validation", "test")


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    write_fashion_mnist(tmp_path / "data", train=200, test=80)
    return tmp_path


def load(folder: Path, *, dataset: str = "", forget: str = "by: random, count: 15", more: str = "") -> TaskData:
    text = (
        "schema: 1\nname: mine\n"
        f"dataset: {{kind: fashion-mnist, directory: data{dataset}}}\n"
        f"forget: {{{forget}}}\n"
        f"{more or 'splits: {validation: 0.5, test: 0.5}'}\n"
    )
    return task_from_text(text, "mine.yaml", folder).load()


def sizes(data: TaskData) -> list[int]:
    return [len(data.split(name)) for name in SPLITS]


def test_parts_have_the_sizes_asked_for(folder: Path) -> None:
    assert sizes(load(folder, dataset=", train_size: 100, test_size: 0.5")) == [85, 15, 20, 20]


def test_the_whole_dataset_is_used_where_no_size_is_given(folder: Path) -> None:
    assert sizes(load(folder)) == [185, 15, 40, 40]


def test_no_example_stands_in_two_parts(folder: Path) -> None:
    data = load(folder)

    ids = [name for split in SPLITS for name in data.split(split).ids.tolist()]

    assert len(ids) == len(set(ids)) == 280


def test_the_same_definition_gives_the_same_data(folder: Path) -> None:
    assert load(folder).digest() == load(folder).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": ", train_size: 100"},
        {"dataset": ", label_noise: 0.1"},
        {"forget": "by: random, count: 15, seed: 1"},
        {"more": "splits: {validation: 0.5, test: 0.5, seed: 1}"},
        {"more": "normalization: {mean: [0.5], std: [0.5]}\nsplits: {validation: 0.5, test: 0.5}"},
    ],
)
def test_another_definition_gives_other_data(change: dict[str, str], folder: Path) -> None:
    assert load(folder, **change).digest() != load(folder).digest()


def test_label_noise_changes_training_labels_and_no_held_out_ones(folder: Path) -> None:
    clean, noisy = load(folder), load(folder, dataset=", label_noise: 0.2")

    changed = {name: int((clean.split(name).labels != noisy.split(name).labels).sum()) for name in SPLITS}

    assert changed["retain"] + changed["forget"] == 40
    assert changed["validation"] == changed["test"] == 0


def test_normalisation_is_that_of_retain_and_forget_together(folder: Path) -> None:
    data = load(folder)

    pixels = np.concatenate([data.retain.images, data.forget.images]).astype(np.float64) / 255

    assert data.mean == pytest.approx((pixels.mean(),), abs=1e-12)
    assert data.std == pytest.approx((pixels.std(),), abs=1e-12)


def test_normalisation_does_not_depend_on_who_is_forgotten(folder: Path) -> None:
    one, other = load(folder), load(folder, forget="by: random, count: 40, seed: 9")

    assert (one.mean, one.std) == (other.mean, other.std)


def test_given_normalisation_must_fit_the_channels(folder: Path) -> None:
    with pytest.raises(DatasetInvalidError, match="has 1 channels or columns; give as many"):
        load(folder, more="normalization: {mean: [0, 0, 0], std: [1, 1, 1]}")


def test_a_channel_that_never_varies_is_divided_by_one(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(write_pictures(tmp_path / "pictures"))
    text = "extends: image-folder\ndataset: {directory: pictures, size: 8}\n"

    data = task_from_text(text, "mine.yaml", tmp_path).load()

    assert (data.mean[2], data.std[2]) == (200 / 255, 1.0)
    assert 0 < data.std[0] < 1


def test_pictures_that_show_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(write_pictures(tmp_path / "pictures", colours=False))
    text = "extends: image-folder\ndataset: {directory: pictures, size: 8}\n"

    with pytest.raises(DatasetInvalidError, match="all training inputs are constant"):
        task_from_text(text, "mine.yaml", tmp_path).load()


def test_forgetting_a_class_by_name_leaves_none_of_it_to_retain(folder: Path) -> None:
    data = load(folder, forget="by: class, classes: [Trouser, 8]")

    assert set(data.forget.labels.tolist()) == {1, 8}
    assert not {1, 8} & set(data.retain.labels.tolist())


def test_ids_come_from_a_file_beside_the_task(folder: Path) -> None:
    (folder / "ids.txt").write_text("train-00007\n\n train-00003 \n")

    data = load(folder, forget="by: ids, ids_file: ids.txt")

    assert data.forget.ids.tolist() == ["train-00003", "train-00007"]


def test_a_missing_ids_file_is_told(folder: Path) -> None:
    with pytest.raises(DatasetMissingError, match=r"forget\.ids_file: there is no file .*ids\.txt"):
        load(folder, forget="by: ids, ids_file: ids.txt")


def test_ids_outside_a_subset_are_told(folder: Path) -> None:
    with pytest.raises(DatasetInvalidError, match=r"1 of 1 ids are not in the training set, the first is 'test-00001'"):
        load(folder, forget="by: ids, ids: [test-00001]")


def test_held_out_subjects_are_in_no_other_part() -> None:
    data = task_from_text(
        "schema: 1\nname: mine\ndataset: {kind: faces, persons: 20, pictures: 3}\n"
        "forget: {by: subject, count: 4}\nsplits: {validation: 3, test: 0.25, by: subject}\n",
        "mine.yaml",
        Path(),
    ).load()

    people = []
    for name in SPLITS:
        subjects = data.split(name).subjects
        assert subjects is not None
        people.append(set(subjects.tolist()))

    assert [len(part) for part in people] == [8, 4, 3, 5]
    assert len(set.union(*people)) == 20


@pytest.mark.parametrize("seed", range(5))
def test_named_subjects_and_ids_are_never_held_out(seed: int) -> None:
    for forget in ("by: subject, subjects: [p0001]", "by: ids, ids: [p0001-00, p0001-01]"):
        data = task_from_text(
            "schema: 1\nname: mine\ndataset: {kind: faces, persons: 6, pictures: 2}\n"
            f"forget: {{{forget}}}\nsplits: {{validation: 2, test: 2, by: subject, seed: {seed}}}\n",
            "mine.yaml",
            Path(),
        ).load()

        assert data.forget.ids.tolist() == ["p0001-00", "p0001-01"]


def test_ids_of_a_file_with_a_mark_and_in_another_form_are_those_of_the_csv(tmp_path: Path) -> None:
    (tmp_path / "caf\u00e9.png").write_bytes(b"")
    text = write_pictures(tmp_path).replace("a/00.png", "caf\u00e9.png").replace("b/01.png", "cafe\u0301/01.png")
    (tmp_path / "a/00.png").rename(tmp_path / "caf\u00e9.png")
    (tmp_path / "cafe\u0301").mkdir()
    (tmp_path / "b/01.png").rename(tmp_path / "cafe\u0301/01.png")
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    (tmp_path / "ids.txt").write_text("cafe\u0301.png\r\n\r\n caf\u00e9/01.png", encoding="utf-8-sig")

    data = task_from_text(
        "extends: image-folder\nname: mine\nforget: {by: ids, ids_file: ids.txt}\n"
        "dataset: {kind: image-folder, directory: ., labels: labels.csv, size: 8}\n",
        "mine.yaml",
        tmp_path,
    ).load()

    assert sorted(data.forget.ids.tolist()) == ["caf\u00e9.png", "caf\u00e9/01.png"]


def test_every_id_of_a_file_that_cannot_be_seen_is_told_by_its_line(folder: Path) -> None:
    (folder / "ids.txt").write_text("train-00001\ntrain-\u200b00002\ntrain\u202800003\n", encoding="utf-8")

    with pytest.raises(DatasetInvalidError, match=r"(?s)2 faults:.*line 2: the id .*U\+200B.*line 3: .*U\+2028"):
        load(folder, forget="by: ids, ids_file: ids.txt")


@pytest.mark.parametrize(
    "forget",
    [
        r'by: subject, subjects: ["a\u200b"]',
        r'by: class, classes: ["a\u2066"]',
        "by: ids, ids: ['']",
    ],
)
def test_names_in_a_task_file_are_keys(forget: str, folder: Path) -> None:
    with pytest.raises(TaskInvalidError, match=r"line 4: forget\.\w+\[0\]: .*(U\+200B|U\+2066|is empty)"):
        load(folder, forget=forget)
