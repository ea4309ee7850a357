"""Data sets that the library ``datasets`` has saved on disk (``save_to_disk``); nothing is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.keys import shown
from harness.core.reading import foreign
from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.datasets.arrays import vocabulary_of
from harness.tasks.datasets.columns import KeyColumns, cells_of, require
from harness.tasks.datasets.labelled import Cells, Faults, labelled, row_from_0
from harness.tasks.datasets.pictures import read_picture
from harness.tasks.datasets.text import encoded_texts
from harness.tasks.examples import Examples
from harness.tasks.task import INPUT_DTYPES
from harness.tasks.yaml.wording import listed


@dataclass(frozen=True)
class Reading:
    """How inputs are made of columns; one of the first three is given.

    Attributes:
        image: column of pictures.
        text: column of texts.
        features: columns of numbers, or of lists of numbers of one length.
        size, grey: see :func:`~harness.tasks.datasets.pictures.read_picture`.
        length, vocabulary: see :func:`~harness.tasks.datasets.text.text_examples`.
    """

    image: str | None
    text: str | None
    features: Sequence[str]
    size: int
    grey: bool
    length: int
    vocabulary: int


def saved_examples(directory: Path, keys: KeyColumns, reading: Reading) -> Examples:
    """Return the examples of a saved ``Dataset``, or of ``train`` and ``test`` of a saved ``DatasetDict``.

    Raises:
        DatasetMissingError: there is no such directory, or the library is not installed.
        DatasetInvalidError: it cannot be read, a column is missing, or a row is invalid.
    """
    source = _Saved(directory, with_split=keys.split is None)
    columns = keys.found(source)
    cells = source.named(cells_of(source, columns), keys.label)
    if reading.text is not None:
        require(source, reading.text, "dataset.text")
        texts = source.texts(reading.text)
        return encoded_texts(texts, cells, source.faults, length=reading.length, vocabulary=reading.vocabulary)
    if reading.image is not None:
        require(source, reading.image, "dataset.image")
        return labelled(source.pictures(reading.image, size=reading.size, grey=reading.grey), cells, source.faults)
    taken = set(columns.values())
    for name in reading.features:
        require(source, name, "dataset.features")
        if name in taken:
            raise DatasetInvalidError(
                f"dataset.features: the column {name!r} is named twice, or is the label, id, subject or split; leave it out"
            )
        taken.add(name)
    inputs = source.features(reading.features)
    return labelled(inputs, cells, source.faults, normalise=False, vocabulary=vocabulary_of(inputs))


class _Saved:
    """A saved data set as columns; the rows of ``test`` follow those of ``train``, told apart by a column ``split``."""

    def __init__(self, directory: Path, *, with_split: bool) -> None:
        if not directory.is_dir():
            raise DatasetMissingError(
                f"dataset.directory: there is no directory {str(directory)!r}; name one that save_to_disk of the library "
                "datasets has written"
            )
        try:
            import datasets
        except ImportError as error:
            raise DatasetMissingError(
                f"Reading {directory} needs the library datasets, which cannot be imported ({error}): "
                "pip install 'unlearning-harness[huggingface]'"
            ) from error
        with foreign(f"{directory} is no data set of save_to_disk", DatasetInvalidError):
            found: Any = datasets.load_from_disk(str(directory.resolve()))
            self._parts = dict(found) if isinstance(found, datasets.DatasetDict) else {"train": found}
        if "train" not in self._parts:
            raise DatasetInvalidError(f"{directory} has no split 'train'; it has {listed(self._parts)}")
        self._parts = {name: self._parts[name] for name in ("train", "test") if name in self._parts}
        self._features = self._parts["train"].features
        self._with_split = with_split and len(self._parts) > 1
        self.names = (*self._features, *(["split"] if self._with_split else []))
        self.faults = Faults(directory, row_from_0)

    def _values(self, name: str) -> list[Any]:
        with foreign(f"{self.faults.file}: the column {name!r} cannot be read", DatasetInvalidError):
            return [value for part in self._parts.values() for value in part[name][:]]

    def texts(self, name: str) -> list[str]:
        """Return a column as text."""
        if self._with_split and name == "split":
            return [split for split, part in self._parts.items() for _ in range(len(part))]
        return ["" if value is None else str(value).strip(" \t") for value in self._values(name)]

    def numeric(self, name: str) -> bool | None:  # noqa: ARG002 -- of a protocol
        return None

    def named(self, cells: Cells, label: str) -> Cells:
        """Return the cells with the names of classes that the label's column stores as numbers."""
        names = getattr(self._features[label], "names", None)
        if names is None:
            return cells
        known = dict(enumerate(map(str, names)))
        texts = [known.get(int(text), "") if text.lstrip("-").isdigit() else "" for text in cells.label]
        return Cells(texts, cells.id, cells.subject, cells.split, tuple(known.values()))

    def pictures(self, name: str, *, size: int, grey: bool) -> NDArray[np.uint8]:
        """Return a column of pictures, shape (n, 1 or 3, size, size)."""
        from datasets import Image

        if not isinstance(self._features[name], Image):
            raise DatasetInvalidError(
                f"dataset.image: the column {name!r} of {self.faults.file} has no pictures but {self._features[name]}"
            )
        self._parts = {split: part.cast_column(name, Image(decode=False)) for split, part in self._parts.items()}
        stored = self._values(name)
        images = np.zeros((len(stored), 1 if grey else 3, size, size), dtype=np.uint8)
        for row, value in enumerate(stored):
            try:
                if not value:
                    raise ValueError("is missing")
                images[row] = read_picture(value["bytes"] or Path(value["path"]), size=size, grey=grey)
            except (OSError, ValueError) as error:
                self.faults.add(row, f"the picture {error}")
        return images

    def features(self, names: Sequence[str]) -> NDArray[Any]:
        """Return one column as it is stored, shape (n, ...), or several side by side, float32 of shape (n, columns)."""
        columns = [self._column(name) for name in names]
        if len(columns) == 1 and columns[0].ndim > 1:
            return columns[0]
        return np.concatenate([column.reshape(len(column), -1) for column in columns], axis=1, dtype=np.float32)

    def _column(self, name: str) -> NDArray[Any]:
        values = self._values(name)
        feature = self._features[name]
        while hasattr(feature, "feature"):  # of a list
            feature = feature.feature
        try:
            column = np.asarray(values, dtype=getattr(feature, "dtype", None))
        except (TypeError, ValueError):  # lists of several lengths, missing values, other types
            column = np.asarray([None])
        if str(column.dtype) not in INPUT_DTYPES:
            raise DatasetInvalidError(
                f"dataset.features: the column {name!r} of {self.faults.file} must have numbers, or lists of numbers of one "
                f"length, in every row; it begins with {shown(str(values[0]))}"
            )
        return column
