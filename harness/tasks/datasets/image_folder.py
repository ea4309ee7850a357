"""A user's own images: a directory, and a CSV with the columns ``file,label[,subject][,split]``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.keys import shown
from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.datasets.columns import KeyColumns, Source, cells_of, read_columns
from harness.tasks.datasets.file_names import found_file
from harness.tasks.datasets.labelled import Faults, labelled
from harness.tasks.datasets.pictures import read_picture
from harness.tasks.examples import Examples
from harness.tasks.yaml.wording import listed, near_match

NAME = "image-folder"
_REQUIRED = ("file", "label")
_COLUMNS = (*_REQUIRED, "subject", "split")
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
    if not labels.is_file():
        raise DatasetMissingError(f"dataset.labels: there is no file {str(labels)!r}\n\n{WHAT_TO_WRITE}")
    source = read_columns(labels)
    _check_columns(source)
    cells = cells_of(source, KeyColumns("label", id="file").found(source))
    return labelled(
        _pictures(source.texts("file"), directory, source.faults, size=size, grey=grey), cells, source.faults
    )


def _check_columns(source: Source) -> None:
    for name in _REQUIRED:
        if name not in source.names:
            raise DatasetInvalidError(
                f"{source.faults.file}, line 1: no column {name!r}; found {listed(source.names) or 'nothing'}"
            )
    for name in source.names:
        if name not in _COLUMNS:
            raise DatasetInvalidError(
                f"{source.faults.file}, line 1: unknown column {name!r}{near_match(name, _COLUMNS)}; "
                f"allowed: {listed(_COLUMNS)}"
            )


def _pictures(files: list[str], directory: Path, faults: Faults, *, size: int, grey: bool) -> NDArray[np.uint8]:
    """Return every file's image; add a fault for each invalid one and leave its pixels 0."""
    images = np.zeros((len(files), 1 if grey else 3, size, size), dtype=np.uint8)
    root = directory.resolve()
    first: dict[tuple[int, int], int] = {}
    for row, file in enumerate(files):
        try:
            path = found_file(root, file)
            status = path.stat()
            earlier = first.setdefault((status.st_dev, status.st_ino), row)
            if earlier == row:
                images[row] = read_picture(path, size=size, grey=grey)
            elif file != files[earlier]:
                faults.add(
                    row,
                    f"{shown(file)} is the same file as {shown(files[earlier])} on {faults.place(earlier)}; list it only once",
                )
        except (OSError, ValueError) as error:
            faults.add(row, f"{shown(file)} {_reason(error)}")
    return images


def _reason(error: Exception) -> str:
    return f"cannot be read as an image: {error.strerror}" if isinstance(error, OSError) else str(error)
