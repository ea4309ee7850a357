"""CSV after RFC 4180: full-precision numbers, empty fields for missing ones, text safe from evaluation by spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from harness.report.words import plain

FORMULA = ("=", "+", "-", "@", "|", "%")
Field = str | int | float | None
Line = TypeVar("Line")
Columns = Mapping[str, Callable[[Line], Field]]
"""Heading -> reader of the column's value from a line."""


def csv_of(lines: Iterable[Line], columns: Columns[Line]) -> str:
    """Return a table as CSV with a header line."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_guarded(name) for name in columns])
    writer.writerows([_guarded(read(line)) for read in columns.values()] for line in lines)
    return text.getvalue()


def _guarded(value: Field) -> Field:
    """Prefix text that a spreadsheet would evaluate as a formula with an apostrophe; a truth value is 0 or 1."""
    if not isinstance(value, str):
        return int(value) if isinstance(value, bool) else value
    shown = plain(value)
    return f"'{shown}" if shown.startswith(FORMULA) else shown
