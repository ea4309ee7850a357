"""Columns of a CSV or Parquet file, read as text or as numbers."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.core.keys import shown
from harness.core.reading import foreign
from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.datasets.labelled import Cells, Faults, row_from_0
from harness.tasks.yaml.wording import listed, near_match

if TYPE_CHECKING:
    import pyarrow

Numbers = NDArray[np.float64]
MOST_SHOWN = 20
PARQUET = (".parquet", ".pq")


class Source(Protocol):
    """A file as columns.

    Attributes:
        names: of its columns.
        faults: collects the faults of its rows.
    """

    names: tuple[str, ...]
    faults: Faults

    def texts(self, name: str) -> list[str]:
        """Return a column as text, without spaces at both ends; missing values are empty."""
        ...

    def numeric(self, name: str) -> bool | None:
        """Return True if the file stores a column as numbers, None if it has no types."""
        ...


@dataclass(frozen=True)
class KeyColumns:
    """The names of the columns that are no inputs.

    Attributes:
        label: the class.
        id, subject, split: None for the column of that name, if there is one.
    """

    label: str
    id: str | None = None
    subject: str | None = None
    split: str | None = None

    def found(self, source: Source) -> dict[str, str]:
        """Return key -> name of the column, of those that the file has.

        Raises:
            DatasetInvalidError: a named column is missing, or serves two keys.
        """
        named = {"label": self.label, "id": self.id, "subject": self.subject, "split": self.split}
        columns = {what: what if name is None else name for what, name in named.items()}
        for what, name in columns.items():
            if named[what] is not None:
                require(source, name, f"dataset.{what}")
        kept = {what: name for what, name in columns.items() if name in source.names}
        for what, name in kept.items():
            if other := next((key for key in kept if key != what and kept[key] == name), None):
                raise DatasetInvalidError(
                    f"dataset.{what}: the column {name!r} is also dataset.{other}; name two columns"
                )
        return kept


def cells_of(source: Source, columns: dict[str, str]) -> Cells:
    """Return the columns of :meth:`KeyColumns.found`."""
    texts = {what: source.texts(name) for what, name in columns.items()}
    return Cells(texts["label"], texts.get("id"), texts.get("subject"), texts.get("split"))


def require(source: Source, name: str, where: str) -> None:
    """Raise DatasetInvalidError if there is no column ``name``, which the task file's key ``where`` names."""
    if name not in source.names:
        more = ", …" if len(source.names) > MOST_SHOWN else ""
        raise DatasetInvalidError(
            f"{where}: {source.faults.file} has no column {name!r}{near_match(name, source.names)}; it has "
            f"{listed(source.names[:MOST_SHOWN])}{more}"
        )


def number_of(text: str) -> float | None:
    """Return the finite number that a text is, None if it is none; ``1_000`` and words as ``nan`` are none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def numbers(source: Source, name: str, missing: frozenset[str]) -> Numbers:
    """Return a column as numbers, NaN where a value is missing; add a fault for each text that is no finite number."""
    found = np.full(len(texts := source.texts(name)), np.nan)
    for row, text in enumerate(texts):
        if text in missing:
            continue
        value = number_of(text)
        if value is None:
            source.faults.add(
                row,
                f"column {name!r}: {shown(text)} is no finite number; leave the cell of a missing value empty, list the text "
                "in dataset.missing, or list the column in dataset.categorical",
            )
        else:
            found[row] = value
    return found


def read_columns(path: Path) -> Source:
    """Return the columns of a CSV, or of a Parquet file if its name ends in .parquet or .pq.

    Raises:
        DatasetMissingError: there is no such file, or pyarrow is not installed.
        DatasetInvalidError: it cannot be read, or a row has another number of cells than the header.
    """
    if not path.is_file():
        raise DatasetMissingError(
            f"dataset.file: there is no file {str(path)!r}; write its path relative to the task file"
        )
    source: Source = _Parquet(path) if path.suffix.lower() in PARQUET else _Csv(path)
    if len(set(source.names)) != len(source.names) or "" in source.names:
        raise DatasetInvalidError(
            f"{path}, line 1: a column's name is empty or occurs twice: {listed(map(repr, source.names))}"
        )
    return source


class _Csv:
    """A CSV in UTF-8 with a header line, separated by commas."""

    def __init__(self, path: Path) -> None:
        lines: list[int] = []
        self.faults = Faults(path, lambda row: f"line {lines[row]}")
        reader = csv.reader(io.StringIO(_decoded(path), newline=""), strict=True)
        try:
            self.names = tuple(name.strip(" \t") for name in next(reader, []))
            rows = []
            for row in filter(None, reader):  # without empty lines
                lines.append(reader.line_num)
                rows.append(row)
        except csv.Error as error:
            raise DatasetInvalidError(f"{path}, line {reader.line_num}: cannot be read as a CSV: {error}") from error
        for index, row in enumerate(rows):
            if len(row) != len(self.names):
                self.faults.add(index, f"{len(row)} cells, and the header has {len(self.names)}")
        self.faults.refuse()
        if not rows:
            raise DatasetInvalidError(f"{path} has no rows below its header; write one example per line")
        self._columns = dict(zip(self.names, map(list, zip(*rows, strict=True)), strict=True))

    def texts(self, name: str) -> list[str]:
        return [text.strip(" \t") for text in self._columns[name]]

    def numeric(self, name: str) -> bool | None:  # noqa: ARG002 -- of a protocol
        return None


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DatasetInvalidError(
            f"{path}, line {line}: is no UTF-8 text: {error.reason}; save the file as UTF-8"
        ) from error


class _Parquet:
    """A Parquet file; values become text as Python writes them."""

    def __init__(self, path: Path) -> None:
        try:
            from pyarrow import parquet
        except ImportError as error:
            raise DatasetMissingError(
                f"Reading {path} needs pyarrow, which cannot be imported ({error}): pip install 'unlearning-harness[parquet]'"
            ) from error
        with foreign(f"{path} cannot be read as a Parquet file", DatasetInvalidError):
            self._table: pyarrow.Table = parquet.read_table(path, partitioning=None)
        self.names = tuple(self._table.column_names)
        self.faults = Faults(path, row_from_0)
        if not self._table.num_rows:
            raise DatasetInvalidError(f"{path} has no rows")

    def texts(self, name: str) -> list[str]:
        return ["" if value is None else str(value).strip(" \t") for value in self._table[name].to_pylist()]

    def numeric(self, name: str) -> bool | None:
        from pyarrow import types

        kind = self._table.schema.field(name).type
        return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
