"""A comparison as CSV after RFC 4180: one line per metric and run, numbers in full, text that no spreadsheet computes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from harness.comparing.model import Cell, Comparison, Difference, Method, Row
from harness.report.model import IntervalRecord
from harness.report.words import plain

COLUMNS = (
    "task",
    "metric",
    "unit",
    "wanted",
    "method",
    "plugin",
    "version",
    "torch",
    "models",
    "value",
    "low",
    "high",
    "control",
    "control_low",
    "control_high",
    "noop",
    "position",
    "difference",
    "difference_low",
    "difference_high",
    "p_adjusted",
    "mark",
    "not_judged",
    "run_id",
)
FORMULA = ("=", "+", "-", "@", "|", "%")
Field = str | int | float | None


def csv_text(comparison: Comparison) -> str:
    """The comparison as CSV with a header line; a number that does not exist is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in comparison.rows:
        for method, cell in zip(comparison.methods, row.cells, strict=True):
            writer.writerow([guarded(value) for value in _values(comparison, row, method, cell)])
    return text.getvalue()


def _values(comparison: Comparison, row: Row, method: Method, cell: Cell) -> Iterator[Field]:
    metric = cell.metric
    yield from (comparison.task.name, row.name, row.metric.unit, row.metric.direction)
    yield from (method.label, method.plugin, method.version, method.torch, method.finished)
    if metric is None:
        yield from (None,) * 8
    else:
        yield from (metric.value, *_ends(metric.interval), metric.control, *_ends(metric.control_interval))
        yield from (metric.noop, metric.position)
    yield from _difference(cell.difference)
    yield from (cell.unjudged, method.run_id)


def _ends(interval: IntervalRecord | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _difference(found: Difference | None) -> tuple[Field, ...]:
    return (None,) * 5 if found is None else (found.value, found.low, found.high, found.p, found.mark)


def guarded(value: Field) -> Field:
    """Text that a spreadsheet would take for a formula is set off by an apostrophe; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    shown = plain(value)
    return f"'{shown}" if shown.startswith(FORMULA) else shown
