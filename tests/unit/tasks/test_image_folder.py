"""A user's own pictures: real files, and a CSV whose every fault is told by its line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.bundled import harness_tasks
from harness.tasks.datasets.image_folder import image_folder_examples
from harness.tasks.examples import Examples
from harness.tasks.loading import load_task
from tests.unit.tasks.files import write_pictures


def read(folder: Path, csv: str, *, size: int = 8, grey: bool = False) -> Examples:
    labels = folder / "labels.csv"
    labels.write_text(csv, encoding="utf-8")
    return image_folder_examples(folder, labels, size=size, grey=grey)


def test_pictures_labels_subjects_and_ids_are_read(tmp_path: Path) -> None:
    examples = read(tmp_path, write_pictures(tmp_path))

    assert examples.class_names == ("cat", "dog", "owl")
    assert examples.train.ids[:2].tolist() == ["a/00.png", "b/01.png"]
    assert examples.train.labels[:4].tolist() == [0, 1, 2, 0]
    assert examples.train.subjects is not None
    assert examples.train.subjects[5] == "person 1"
    assert examples.train.images.shape == (24, 3, 8, 8)
    assert examples.train.images[5, :, 0, 0].tolist() == [5, 10, 200]
    assert examples.test is None


def test_pictures_are_resized_and_made_grey(tmp_path: Path) -> None:
    examples = read(tmp_path, write_pictures(tmp_path, side=20), size=12, grey=True)

    assert examples.train.images.shape == (24, 1, 12, 12)
    assert np.ptp(examples.train.images[3]) == 0


def test_a_picture_that_the_camera_turned_is_read_upright(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
    Image.fromarray(pixels).save(tmp_path / "y.png")

    examples = read(tmp_path, "file,label\nx.png,a\ny.png,b\n")

    assert np.array_equal(examples.train.images[0, :, -1], examples.train.images[1, :, 0])
    assert examples.train.images[0, :, 0].max() == 0


def test_whole_number_labels_are_ordered_as_numbers(tmp_path: Path) -> None:
    write_pictures(tmp_path)

    examples = read(tmp_path, "file,label\na/00.png,10\nb/01.png,9\n")

    assert examples.class_names == ("9", "10")
    assert examples.train.labels.tolist() == [1, 0]
    assert examples.train.subjects is None


def test_rows_of_split_test_are_the_official_test_part(tmp_path: Path) -> None:
    write_pictures(tmp_path)

    examples = read(tmp_path, "file,label,split\na/00.png,x,\nb/01.png,y,train\na/02.png,y,test\n")

    assert examples.train.ids.tolist() == ["a/00.png", "b/01.png"]
    assert examples.test is not None
    assert examples.test.ids.tolist() == ["a/02.png"]
    assert examples.test.labels.tolist() == [1]


HEAD = "file,label,subject,split\n"
ROW = "a/00.png,cat,p,train\n"
FAULTS = {
    "no file column": ("name,label\nx,y\n", "line 1: no column 'file'"),
    "nothing at all": ("", "has no rows below its header"),
    "unknown column": ("file,label,subjekt\nx,y,z\n", "line 1: unknown column 'subjekt'; did you mean 'subject'"),
    "column twice": ("file,label,label\nx,y,z\n", "header: the column '(x|label)' occurs twice"),
    "no rows": (HEAD, "has no rows below its header"),
    "too few cells": (HEAD + ROW + "b/01.png,dog\n", "line 3: 2 cells, and the header has 4"),
    "too many cells": (HEAD + ROW + "b/01.png,dog,p,train,x\n", "line 3: 5 cells, and the header has 4"),
    "empty label": (HEAD + ROW + "b/01.png, ,p,train\n", "line 3: the label is empty"),
    "empty subject": (HEAD + ROW + "b/01.png,dog,,train\n", "line 3: the subject is empty"),
    "unknown split": (HEAD + ROW + "b/01.png,dog,p,val\n", "line 3: found split 'val'; allowed: train, test"),
    "file twice": (HEAD + ROW + ROW, "line 3: the id 'a/00.png' occurs twice; the first is on line 2"),
    "label in test alone": (
        HEAD + ROW + "b/01.png,dog,p,\na/02.png,dogg,p,test\n",
        "line 4: unknown label 'dogg'; did you mean 'dog'",
    ),
    "one class": (HEAD + ROW, "all labels are 'cat'"),
    "test rows alone": (HEAD + ROW.replace("train", "test"), "unknown label|training set"),
    "missing picture": (HEAD + ROW + "b/99.png,dog,p,\n", "line 3: 'b/99.png' cannot be read as an image"),
    "a folder": (HEAD + ROW + "b,dog,p,\n", "line 3: 'b' cannot be read as an image"),
    "no picture": (HEAD + ROW + "labels.csv,dog,p,\n", "line 3: 'labels.csv' cannot be read as an image"),
    "out by dots": (
        HEAD + ROW + "../secret.png,dog,p,\n",
        r"line 3: '\.\./secret\.png' is outside the dataset directory",
    ),
    "out by root": (HEAD + ROW + "/etc/hostname,dog,p,\n", "line 3: '/etc/hostname' is outside the dataset directory"),
    "broken quotes": (HEAD + 'a/00.png,"cat"x,p,\n', "line 2: cannot be read as a CSV"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_csv_is_told_with_its_line(fault: str, tmp_path: Path) -> None:
    write_pictures(tmp_path)
    csv, words = FAULTS[fault]

    with pytest.raises(DatasetInvalidError, match=words):
        read(tmp_path, csv)


def test_a_link_that_leads_out_of_the_directory_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    write_pictures(inside)
    write_pictures(tmp_path / "outside")
    (inside / "link.png").symlink_to(tmp_path / "outside/a/00.png")

    with pytest.raises(DatasetInvalidError, match=r"line 2: 'link\.png' is outside"):
        read(inside, "file,label\nlink.png,x\nb/01.png,y\n")


def test_a_picture_cut_short_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path, side=64)
    path = tmp_path / "b/01.png"
    path.write_bytes(path.read_bytes()[:60])

    with pytest.raises(DatasetInvalidError, match=r"line 3: 'b/01\.png' cannot be read"):
        read(tmp_path, "file,label\na/00.png,x\nb/01.png,y\n")


def test_a_csv_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes("file,label\na.png,K\xe4fer\n".encode("latin-1"))

    with pytest.raises(DatasetInvalidError, match="is no UTF-8 text"):
        image_folder_examples(tmp_path, tmp_path / "labels.csv", size=8)


def test_a_missing_csv_or_directory_is_told_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(DatasetMissingError, match=r"no file .*labels\.csv(.|\n)*extends: image-folder"):
        image_folder_examples(tmp_path, tmp_path / "labels.csv", size=8)
    with pytest.raises(DatasetMissingError, match=r"no directory .*absent(.|\n)*extends: image-folder"):
        image_folder_examples(tmp_path / "absent", tmp_path / "labels.csv", size=8)


def test_without_pillow_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    csv = write_pictures(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(DatasetMissingError, match=r"pip install 'unlearning-harness\[vision\]'"):
        read(tmp_path, csv)


def test_the_bundled_task_as_it_stands_says_what_to_write() -> None:
    task = next(task for task in harness_tasks() if task.name == "image-folder")

    with pytest.raises(DatasetMissingError, match=r"extends: image-folder(.|\n)*directory: \./pictures"):
        task.load()


def test_a_task_file_finds_its_pictures_from_its_own_folder(tmp_path: Path) -> None:
    csv = write_pictures(tmp_path / "pictures")
    (tmp_path / "labels.csv").write_text(csv)
    path = tmp_path / "task.yaml"
    path.write_text(
        "extends: image-folder\nname: mine\n"
        "dataset: {kind: image-folder, directory: ./pictures, labels: ./labels.csv, size: 8}\n"
        "forget: {by: subject, subjects: [person 3]}\n"
        "splits: {validation: 1, test: 2, by: subject}\n"
    )

    data = load_task(path).load()

    assert [len(data.split(name)) for name in ("retain", "forget", "validation", "test")] == [8, 4, 4, 8]
    assert data.forget.subjects is not None
    assert set(data.forget.subjects.tolist()) == {"person 3"}


def test_a_file_reached_through_a_folder_link_is_the_same_file(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "c").symlink_to("a")

    with pytest.raises(DatasetInvalidError, match=r"line 4: 'c/00\.png' is the same file as 'a/00\.png' on line 2"):
        read(tmp_path, "file,label\na/00.png,x\nb/01.png,y\nc/00.png,x\n")


def test_two_files_whose_names_differ_in_their_unicode_form_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "a/00.png").rename(tmp_path / "\u00e9.png")
    (tmp_path / "b/01.png").rename(tmp_path / "e\u0301.png")

    with pytest.raises(
        DatasetInvalidError, match=r"line 3: the id 'e\\u0301\.png' is '\\xe9\.png' on line 2 in another"
    ):
        read(tmp_path, "file,label\n\u00e9.png,x\ne\u0301.png,y\n")


def test_a_csv_of_windows_is_told_to_write_slashes(tmp_path: Path) -> None:
    write_pictures(tmp_path)

    with pytest.raises(DatasetInvalidError, match=r"line 2: .* does not exist; write / between folders"):
        read(tmp_path, "file,label\na\\00.png,x\nb/01.png,y\n")


def test_a_name_in_other_letters_is_offered_as_it_is_on_disk(tmp_path: Path) -> None:
    write_pictures(tmp_path)

    with pytest.raises(DatasetInvalidError, match=r"line 2: 'A/00\.PNG' does not exist; there is 'a/00\.png'"):
        read(tmp_path, "file,label\nA/00.PNG,x\nb/01.png,y\n")


def test_subjects_that_read_alike_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path)

    with pytest.raises(DatasetInvalidError, match=r"line 3: the subject '01' can be confused with '1' on line 2"):
        read(tmp_path, "file,label,subject\na/00.png,x,1\nb/01.png,y,01\n")


def test_one_subject_in_two_unicode_forms_is_one(tmp_path: Path) -> None:
    write_pictures(tmp_path)

    examples = read(tmp_path, "file,label,subject\na/00.png,x,ren\u00e9e\nb/01.png,y,rene\u0301e\n")

    assert examples.train.subjects is not None
    assert set(examples.train.subjects.tolist()) == {"ren\u00e9e"}


def test_negative_labels_are_ordered_as_numbers(tmp_path: Path) -> None:
    write_pictures(tmp_path)

    assert read(tmp_path, "file,label\na/00.png,2\nb/01.png,-1\na/02.png,10\n").class_names == ("-1", "2", "10")


def test_a_label_that_is_refused_is_one_fault_however_often_it_stands(tmp_path: Path) -> None:
    csv = write_pictures(tmp_path).replace(",owl,", ",owl\u200b,") + "c.png,cat,person 9\n"

    with pytest.raises(
        DatasetInvalidError, match=r"has 2 faults:\n  line 4: .*U\+200B .*; and in 7 more rows\n  line 26:"
    ):
        read(tmp_path, csv)
