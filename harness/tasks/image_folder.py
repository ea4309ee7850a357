"""A user's own pictures: a directory, and a CSV with the columns ``file,label[,subject][,split]``."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.examples import Examples
from harness.tasks.model import Split
from harness.tasks.pictures import read_picture
from harness.tasks.wording import listed, near_match

NAME = "image-folder"
_REQUIRED = ("file", "label")
_COLUMNS = (*_REQUIRED, "subject", "split")
_PARTS = ("train", "test")
WHAT_TO_WRITE = """\
The task image-folder needs your own pictures. Write a task file, say my-task.yaml:

  extends: image-folder
  name: my-task
  dataset:
    kind: image-folder
    directory: ./pictures       # seen from this file
    labels: ./labels.csv        # columns file,label and, if you like, subject and split (train or test)
    size: 32                    # pictures are made this many pixels wide and high

and run it with: harness run --plugin PLUGIN --task my-task.yaml"""


@dataclass(frozen=True)
class _Row:
    line: int
    file: str
    label: str
    subject: str
    part: str


def image_folder_examples(directory: Path | None, labels: Path, *, size: int, grey: bool = False) -> Examples:
    """The pictures that a CSV lists, images (n, 1 or 3, size, size); ids are the file names as the CSV has them.

    Classes are the labels that occur, sorted: as numbers where all are whole numbers, else as text. Rows whose split
    is ``test`` are the official test part.

    Args:
        directory: what file names in the CSV are relative to; none may lead out of it.
        labels: the CSV, UTF-8, with a header line.
        size: height and width, pixels.
        grey: one channel in place of three.

    Raises:
        DatasetMissingError: no directory, no CSV, or Pillow is not installed.
        DatasetInvalidError: a row or a picture that cannot be used; the message names the line of the CSV.
    """
    if directory is None:
        raise DatasetMissingError(WHAT_TO_WRITE)
    if not directory.is_dir():
        raise DatasetMissingError(f"dataset.directory: there is no directory {str(directory)!r}\n\n{WHAT_TO_WRITE}")
    rows = _read_rows(labels)
    class_names = _class_names(rows, labels)
    train = [row for row in rows if row.part == "train"]
    test = [row for row in rows if row.part == "test"]
    if not train:
        raise DatasetInvalidError(f"{labels}: no row belongs to the training set; leave 'split' empty or say 'train'")

    def split(part: list[_Row]) -> Split:
        return _split(part, directory, labels, class_names=class_names, size=size, grey=grey)

    return Examples(train=split(train), test=split(test) if test else None, class_names=class_names)


def _read_rows(path: Path) -> list[_Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            _check_header(reader.fieldnames, path)
            rows = list(_rows(reader, path))
    except FileNotFoundError as error:
        raise DatasetMissingError(f"dataset.labels: there is no file {str(path)!r}\n\n{WHAT_TO_WRITE}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetInvalidError(f"{path} cannot be read as a UTF-8 CSV: {error}") from error
    if not rows:
        raise DatasetInvalidError(f"{path} has no rows below its header; list one picture a line")
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
        raise DatasetInvalidError(f"{path}, line 1: a column stands twice: {listed(names)}")


def _rows(reader: csv.DictReader[str], path: Path) -> Iterator[_Row]:
    first_line: dict[str, int] = {}
    has_subjects = "subject" in (reader.fieldnames or ())
    for cells in reader:
        where = f"{path}, line {reader.line_num}"
        if None in cells or None in cells.values():
            raise DatasetInvalidError(f"{where}: not as many cells as the header has columns")
        for name in (*_REQUIRED, *(["subject"] if has_subjects else [])):
            if not cells[name].strip():
                raise DatasetInvalidError(f"{where}: the cell {name!r} is empty")
        row = _Row(
            line=reader.line_num,
            file=cells["file"].strip(),
            label=cells["label"].strip(),
            subject=cells.get("subject", "").strip(),
            part=cells.get("split", "").strip() or "train",
        )
        if row.part not in _PARTS:
            raise DatasetInvalidError(f"{where}: found split {row.part!r}; allowed: {listed(_PARTS)}, or nothing")
        if row.file in first_line:
            raise DatasetInvalidError(
                f"{where}: {row.file!r} stands twice; the first is on line {first_line[row.file]}"
            )
        first_line[row.file] = row.line
        yield row


def _class_names(rows: list[_Row], path: Path) -> tuple[str, ...]:
    names = {row.label for row in rows if row.part == "train"}
    for row in rows:
        if row.label not in names:
            raise DatasetInvalidError(
                f"{path}, line {row.line}: unknown label {row.label!r}{near_match(row.label, sorted(names))}; a test "
                f"picture's label must occur in the training set, which has {listed(sorted(names)[:10])}"
            )
    if names and len(names) < 2:
        raise DatasetInvalidError(f"{path}: the labels name one class alone ({names.pop()!r}); at least two are needed")
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))


def _split(
    rows: list[_Row], directory: Path, labels: Path, *, class_names: tuple[str, ...], size: int, grey: bool
) -> Split:
    number = {name: index for index, name in enumerate(class_names)}
    images = np.empty((len(rows), 1 if grey else 3, size, size), dtype=np.uint8)
    for index, row in enumerate(rows):
        images[index] = _picture(row, directory, labels, size=size, grey=grey)
    subjects = np.asarray([row.subject for row in rows], dtype=np.str_)
    return Split(
        ids=np.asarray([row.file for row in rows], dtype=np.str_),
        images=images,
        labels=np.asarray([number[row.label] for row in rows], dtype=np.int64),
        subjects=subjects if rows[0].subject else None,
    )


def _picture(row: _Row, directory: Path, labels: Path, *, size: int, grey: bool) -> NDArray[np.uint8]:
    where = f"{labels}, line {row.line}"
    root = directory.resolve()
    path = (root / row.file).resolve()
    if not path.is_relative_to(root):
        raise DatasetInvalidError(f"{where}: {row.file!r} leads out of the directory {root}; name files inside it")
    try:
        return read_picture(path, size=size, grey=grey)
    except (OSError, ValueError, SyntaxError) as error:
        raise DatasetInvalidError(f"{where}: {row.file!r} cannot be read as a picture: {error}") from error
