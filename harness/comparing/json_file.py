"""A comparison as JSON, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from harness.comparing.comparability import machine, run_facts
from harness.comparing.comparison import Cell, Comparison, Method, Row

VERSION = "1"


def json_text(comparison: Comparison) -> str:
    """Return the comparison as JSON text; missing numbers are null."""
    document = {
        "comparison_version": VERSION,
        "kind": comparison.kind,
        "task": {"name": comparison.task.name, "data_digest": comparison.task.data_digest},
        "models": comparison.models,
        "methods": [_method(method) for method in comparison.methods],
        "comparisons": comparison.comparisons,
        "metrics": [_row(row) for row in comparison.rows],
        "trade_off": asdict(comparison.trade_off) if comparison.trade_off else None,
        "notices": list(comparison.notices),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _method(method: Method) -> dict[str, Any]:
    report = method.report
    return {
        **run_facts(report),
        "label": method.label,
        "isolation": report.runner.isolation,
        "hardware": machine(report),
        "folder": str(method.folder or ""),
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "metric": row.name,
        "description": row.metric.description,
        "unit": row.metric.unit,
        "direction": row.metric.direction,
        "runs": [_cell(cell) for cell in row.cells],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    if cell.metric is not None:
        kept = ("value", "interval", "control", "control_interval", "noop", "position", "note")
        found = asdict(cell.metric)
        numbers = {name: found[name] for name in kept}
    difference = asdict(cell.difference) if cell.difference else None
    return {**numbers, "difference": difference, "not_judged": cell.unjudged}
