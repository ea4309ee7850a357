"""A user's own images: a directory, and a CSV with the columns ``file,label[,subject][,split]``."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.keys import KeyTextError, key, look_alike, ordered, shown
from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.datasets.file_names import found_file
from harness.tasks.datasets.pictures import read_picture
from harness.tasks.examples import Examples
from harness.tasks.task import Split
from harness.tasks.yaml.wording import listed, near_match, with_faults

NAME = "image-folder"
_REQUIRED = ("file", "label")
_COLUMNS = (*_REQUIRED, "subject", "split")
_PARTS = ("train", "test")
WHAT_TO_WRITE = """\
The task image-folder needs your own images. Write a task file, e.g. my-task.yaml:

  extends: image-folder
  name: my-task
  dataset:
    kind: image-folder
    directory: ./pictures       # relative to this file
    labels: ./labels.csv        # columns: file, label; optional: subject, split (train or test)
    size: 32                    # images are resized to this width and height, pixels

and run it with: harness run --plugin PLUGIN --task my-task.yaml"""


@dataclass(frozen=True)
class _Row:
    """A row of the CSV; ``file`` as written there, the other cells as normalised keys."""

    line: int
    file: str
    id: str
    label: str
    subject: str
    part: str


class _Faults:
    """The faults of a CSV and its images, sorted by line."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._found: list[tuple[int, str]] = []

    def add(self, line: int, text: str) -> None:
        self._found.append((line, text))

    def refuse(self) -> None:
        """Raise DatasetInvalidError if there is a fault."""
        if self._found:
            faults = [f"line {line}: {text}" for line, text in sorted(self._found)]
            raise DatasetInvalidError(with_faults(str(self.place), faults))


def image_folder_examples(directory: Path | None, labels: Path, *, size: int, grey: bool = False) -> Examples:
    """Return the images of a CSV, shape (n, 1 or 3, size, size); ids are the file names in the CSV.

    Classes are the sorted labels: by number if all are whole numbers, else as text. Rows with the split ``test`` are the
    official test set.

    Args:
        directory: base of the file names in the CSV; no file may be outside it.
        labels: the CSV, UTF-8, with a header line.
        size: height and width, pixels.
        grey: one channel instead of three.

    Raises:
        DatasetMissingError: the directory or the CSV does not exist, or Pillow is not installed.
        DatasetInvalidError: rows or images are invalid; the message lists all of them by line.
    """
    if directory is None:
        raise DatasetMissingError(WHAT_TO_WRITE)
    if not directory.is_dir():
        raise DatasetMissingError(f"dataset.directory: there is no directory {str(directory)!r}\n\n{WHAT_TO_WRITE}")
    faults = _Faults(labels)
    rows = _read_rows(labels, faults)
    class_names = _class_names(rows, faults)
    _refuse_look_alikes("subject", ((row.line, row.subject) for row in rows), faults)
    _check_ids(rows, faults)
    images = _pictures(rows, directory, faults, size=size, grey=grey)
    faults.refuse()
    train = np.asarray([row.part == "train" for row in rows])
    if not train.any():
        raise DatasetInvalidError(
            f"{labels}: no row belongs to the training set; leave 'split' empty or set it to 'train'"
        )
    if len(class_names) == 1:
        raise DatasetInvalidError(f"{labels}: all labels are {class_names[0]!r}; at least two classes are needed")
    examples = _examples(rows, images, class_names)
    if train.all():
        return Examples(train=examples, test=None, class_names=class_names)
    parts = [examples.take(np.flatnonzero(chosen)) for chosen in (train, ~train)]
    return Examples(train=parts[0], test=parts[1], class_names=class_names)


def _read_rows(path: Path, faults: _Faults) -> list[_Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            _check_header(reader.fieldnames, path)
            rows = list(_rows(reader, faults))
    except FileNotFoundError as error:
        raise DatasetMissingError(f"dataset.labels: there is no file {str(path)!r}\n\n{WHAT_TO_WRITE}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetInvalidError(f"{path} cannot be read as a UTF-8 CSV: {error}") from error
    if not rows:
        faults.refuse()
        raise DatasetInvalidError(f"{path} has no rows below its header; list one image per line")
    return rows


def _check_header(found: object, path: Path) -> None:
    names = [str(name) for name in found] if isinstance(found, (list, tuple)) else []
    missing = [name for name in _REQUIRED if name not in names]
    unknown = [name for name in names if name not in _COLUMNS]
    if missing:
        raise DatasetInvalidError(f"{path}, line 1: no column {missing[0]!r}; found {listed(names) or 'nothing'}")
    if unknown:
        raise DatasetInvalidError(
            f"{path}, line 1: unknown column {unknown[0]!r}{near_match(unknown[0], _COLUMNS)}; "
            f"allowed: {listed(_COLUMNS)}"
        )
    if len(set(names)) != len(names):
        raise DatasetInvalidError(f"{path}, line 1: duplicate column: {listed(names)}")


def _rows(reader: csv.DictReader[str], faults: _Faults) -> Iterator[_Row]:
    refused: dict[str, list[int]] = {}
    needed = [name for name in (*_REQUIRED, "subject") if name in (reader.fieldnames or ())]
    for cells in reader:
        line = reader.line_num
        if None in cells or None in cells.values():
            faults.add(line, "the number of cells differs from the header's")
            continue
        keys = {}
        for name in needed:
            text = cells[name].strip(" \t")
            if not text:
                faults.add(line, f"the cell {name!r} is empty")
                continue
            try:
                keys[name] = key(text)
            except KeyTextError as error:
                refused.setdefault(f"the {name} {error}", []).append(line)
        part = cells.get("split", "").strip(" \t") or "train"
        if part not in _PARTS:
            faults.add(line, f"found split {shown(part)}; allowed: {listed(_PARTS)}, or empty")
        elif len(keys) == len(needed):
            file = cells["file"].strip(" \t")
            yield _Row(line, file, keys["file"], keys["label"], keys.get("subject", ""), part)
    for text, lines in refused.items():  # a label on many lines is reported once
        faults.add(lines[0], text if len(lines) == 1 else f"{text}; and on {len(lines) - 1} more lines")


def _class_names(rows: list[_Row], faults: _Faults) -> tuple[str, ...]:
    names = ordered(row.label for row in rows if row.part == "train")
    _refuse_look_alikes("label", ((row.line, row.label) for row in rows), faults)
    for row in rows:
        if row.label not in names:
            faults.add(
                row.line,
                f"unknown label {shown(row.label)}{near_match(row.label, names)}; a test image's label must occur in "
                f"the training set, which has {listed(names[:10])}",
            )
    return names


def _check_ids(rows: list[_Row], faults: _Faults) -> None:
    """Add a fault for each file name that differs from an earlier one only in Unicode form: their ids would be equal."""
    first: dict[str, _Row] = {}
    for row in rows:
        earlier = first.setdefault(row.id, row)
        if earlier.file != row.file:
            faults.add(
                row.line,
                f"{row.file!a} is {earlier.file!a} on line {earlier.line} in another Unicode form; rename one of the files",
            )


def _refuse_look_alikes(what: str, cells: Iterable[tuple[int, str]], faults: _Faults) -> None:
    first: dict[str, int] = {}
    for line, text in cells:
        first.setdefault(text, line)
    for text, earlier in look_alike(first).items():
        faults.add(
            first[text],
            f"the {what} {text!a} can be confused with {earlier!a} on line {first[earlier]}; write both in the same way",
        )


def _pictures(rows: list[_Row], directory: Path, faults: _Faults, *, size: int, grey: bool) -> NDArray[np.uint8]:
    """Return every row's image; add a fault for each invalid one and leave its pixels 0."""
    images = np.zeros((len(rows), 1 if grey else 3, size, size), dtype=np.uint8)
    root = directory.resolve()
    first: dict[tuple[int, int], _Row] = {}
    for index, row in enumerate(rows):
        try:
            path = found_file(root, row.file)
            status = path.stat()
            earlier = first.setdefault((status.st_dev, status.st_ino), row)
            if earlier is not row:
                faults.add(row.line, _twice(row, earlier))
                continue
            images[index] = read_picture(path, size=size, grey=grey)
        except (OSError, ValueError) as error:
            faults.add(row.line, f"{shown(row.file)} {_reason(error)}")
    return images


def _twice(row: _Row, earlier: _Row) -> str:
    if row.file == earlier.file:
        return f"{shown(row.file)} occurs twice; the first is on line {earlier.line}"
    return f"{shown(row.file)} is the same file as {shown(earlier.file)} on line {earlier.line}; list it only once"


def _reason(error: Exception) -> str:
    return f"cannot be read as an image: {error.strerror}" if isinstance(error, OSError) else str(error)


def _examples(rows: list[_Row], images: NDArray[np.uint8], class_names: tuple[str, ...]) -> Split:
    number = {name: index for index, name in enumerate(class_names)}
    return Split(
        ids=np.asarray([row.id for row in rows], dtype=np.str_),
        inputs=images,
        labels=np.asarray([number[row.label] for row in rows], dtype=np.int64),
        subjects=np.asarray([row.subject for row in rows], dtype=np.str_) if rows[0].subject else None,
    )
