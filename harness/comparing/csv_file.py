"""A comparison as CSV: one line per metric and run."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

from harness.comparing.comparability import torch_of
from harness.comparing.comparison import Cell, Comparison, Method, Row
from harness.comparing.csv_table import Columns, Field, csv_of

Line = tuple[Row, Method, Cell]


def _of(part: int, path: str) -> Callable[[Line], Field]:
    """Return a reader of a (nested) attribute of one part of a line; it returns None if any level is None."""

    def read(line: Line) -> Field:
        found: object = line[part]
        for name in path.split("."):
            found = None if found is None else attrgetter(name)(found)
        return found  # type: ignore[return-value]

    return read


COLUMNS: Columns[Line] = {
    "metric": _of(0, "name"),
    "unit": _of(0, "metric.unit"),
    "wanted": _of(0, "metric.direction"),
    "method": _of(1, "label"),
    "plugin": _of(1, "report.plugin.name"),
    "version": _of(1, "report.plugin.version"),
    "torch": lambda line: torch_of(line[1].report),
    "models": _of(1, "report.finished_models"),
    "value": _of(2, "metric.value"),
    "low": _of(2, "metric.interval.low"),
    "high": _of(2, "metric.interval.high"),
    "control": _of(2, "metric.control"),
    "control_low": _of(2, "metric.control_interval.low"),
    "control_high": _of(2, "metric.control_interval.high"),
    "noop": _of(2, "metric.noop"),
    "position": _of(2, "metric.position"),
    "difference": _of(2, "difference.value"),
    "difference_low": _of(2, "difference.low"),
    "difference_high": _of(2, "difference.high"),
    "p_adjusted": _of(2, "difference.p"),
    "mark": _of(2, "difference.mark"),
    "not_judged": _of(2, "unjudged"),
    "run_id": _of(1, "report.run_id"),
}


def csv_text(comparison: Comparison) -> str:
    """Return the comparison as CSV with a header line."""
    lines = [(row, *pair) for row in comparison.rows for pair in zip(comparison.methods, row.cells, strict=True)]
    return csv_of(lines, {"task": lambda _: comparison.task.name, **COLUMNS})
