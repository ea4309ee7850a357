"""Columns of a CSV or Parquet file, read as text or as numbers."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
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
LARGEST = float(np.finfo(np.float32).max)
"""Largest number that a network can read."""
_OTHER_NOTATION = re.compile(
    r"[-+]?[0-9]{1,3}([,' ][0-9]{3})+([.][0-9]*)?|[-+]?[0-9]+,[0-9]+|[-+]?[0-9.,]+ ?%|[-+]?(nan|inf|infinity)"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ].*)?|[0-9]{1,2}([./])[0-9]{1,2}\4([0-9]{2}){1,2}",
    re.IGNORECASE,
)
"""Numbers with separators of thousands, a decimal comma or a percent sign, words for no number, and dates."""


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
        """Return True if the file stores a column as numbers, None if its texts must tell."""
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
        found = [what for what, sign in _SEPARATORS.items() if len(source.names) == 1 and sign in source.names[0]]
        advice = f". Its header is separated by {found[0]}; save the file separated by commas" if found else ""
        raise DatasetInvalidError(
            f"{where}: {source.faults.file} has no column {name!r}{near_match(name, source.names)}; it has "
            f"{listed(map(shown, source.names[:MOST_SHOWN]))}{more}{advice}"
        )


_SEPARATORS = {"semicolons": ";", "tabs": "\t"}


def number_of(text: str) -> float | None:
    """Return the number that a text is; None if it is none that float32 has, as ``1_000``, ``nan`` and ``1e39``."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= LARGEST and "_" not in text else None


def doubtful(texts: Sequence[str], missing: frozenset[str]) -> int | None:
    """Return the row of a text for which a column could be one of numbers or of categories; None if there is none.

    Args:
        texts: the column, not all of whose present values are numbers.
        missing: texts that stand for a missing value.
    """
    present = [text for text in dict.fromkeys(texts) if text not in missing]
    others = [text for text in present if number_of(text) is None]
    odd = next((text for text in others if _OTHER_NOTATION.fullmatch(text) or _too_large(text)), None)
    if odd is None and len(others) > len(present) / 2:
        return None
    return texts.index(odd or others[0])


def _too_large(text: str) -> bool:
    try:
        return abs(float(text)) > LARGEST
    except ValueError:
        return False


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
                f"column {name!r}: {shown(text)} is no finite number{_within(text)}; leave the cell of a missing value empty, "
                "list the text in dataset.missing, or list the column in dataset.categorical",
            )
        else:
            found[row] = value
    return found


def _within(text: str) -> str:
    return f" of float32, whose largest is {LARGEST:.1e}" if _too_large(text) else ""


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
    if "" in source.names:
        raise DatasetInvalidError(
            f"{path}, header: column {source.names.index('') + 1} has no name. Give it one, e.g. id if it numbers the rows, or "
            "leave it out, as pandas does with to_csv(..., index=False)"
        )
    if twice := [name for name, count in Counter(source.names).items() if count > 1]:
        raise DatasetInvalidError(f"{path}, header: the column {shown(twice[0])} occurs twice; rename one of the two")
    return source


def _name(text: str) -> str:
    """Return a column's name as the texts of task files are: without spaces at both ends, in Unicode's NFC."""
    return unicodedata.normalize("NFC", text.strip(" \t"))


class _Csv:
    """A CSV in UTF-8 with a header line, separated by commas."""

    def __init__(self, path: Path) -> None:
        lines: list[int] = []
        self.faults = Faults(path, lambda row: f"line {lines[row]}")
        reader = csv.reader(io.StringIO(_decoded(path), newline=""), strict=True)
        limit = csv.field_size_limit(path.stat().st_size + 1)  # the file is in memory already
        try:
            self.names = tuple(map(_name, next(reader, [])))
            rows = []
            for row in filter(None, reader):  # without empty lines
                lines.append(reader.line_num)
                rows.append(row)
        except csv.Error as error:
            advice = ". A quotation mark on an earlier line is not closed" if "end of data" in str(error) else ""
            raise DatasetInvalidError(
                f"{path}, line {reader.line_num}: cannot be read as a CSV: {error}{advice}"
            ) from error
        finally:
            csv.field_size_limit(limit)
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
    with foreign(f"{path} cannot be read", DatasetInvalidError):
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
            self._table: pyarrow.Table = parquet.ParquetFile(path, page_checksum_verification=True).read()
        self.names = tuple(map(_name, self._table.column_names))
        self.faults = Faults(path, row_from_0)
        if not self._table.num_rows:
            raise DatasetInvalidError(f"{path} has no rows")

    def texts(self, name: str) -> list[str]:
        if self._kind(name).num_fields:
            raise DatasetInvalidError(
                f"{self.faults.file}: each value of the column {name!r} is a {self._kind(name)}; store single values in columns "
                "of their own, or list the column in dataset.ignore"
            )
        return [
            "" if value is None else str(value).strip(" \t")
            for value in self._table[self.names.index(name)].to_pylist()
        ]

    def _kind(self, name: str) -> pyarrow.DataType:
        return self._table.schema.field(self.names.index(name)).type

    def numeric(self, name: str) -> bool | None:
        from pyarrow import types

        kind = self._kind(name)
        if types.is_temporal(kind):
            return None
        return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
