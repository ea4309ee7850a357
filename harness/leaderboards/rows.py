"""Conversion of a report to a leaderboard row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.comparing.comparability import machine, run_facts
from harness.comparing.trade_off import position_ends, seconds_per_model, way_to_perfect
from harness.leaderboards.board import Board, Number, Row
from harness.leaderboards.finding import Entry
from harness.leaderboards.words import failure_counts
from harness.report.document import Report
from harness.report.faults import fault, faulty
from harness.report.records import SUPPLIED
from harness.report.words import plain

VARYING = (
    ("isolation", "Isolation", "text", "asc", ""),
    ("torch", "torch", "text", "desc", ""),
    ("device", "Device", "text", "asc", ""),
    ("limit", "Limit", "number", "asc", "n"),
    ("version", "Version", "text", "asc", ""),
)
"""Columns that a board has only if its runs differ in them: key, name, kind of values, first direction of sorting, class."""
GUESTS = {"run": "one guest for all models", "model": "a guest per model"}


def make_row(entry: Entry, label: str, slug: str, ranked_by: str, metrics: Sequence[str]) -> Row:
    """Return the row of a report, not yet ranked; ``metrics`` are names, e.g. "lira.auc"."""
    report = entry.report
    return Row(
        label=label,
        report=report,
        slug=slug,
        digest=entry.digest,
        rank=None,
        unranked=_excluded(report, ranked_by),
        way=_number(*way_to_perfect(report, ranked_by)),
        overshoots=_overshoots(report, ranked_by),
        metrics={name: found for name in metrics if (found := _metric(report, name)) is not None},
        seconds=_number(*seconds_per_model(report)),
    )


def row_facts(row: Row) -> dict[str, Any]:
    """Return what a row shows besides its numbers, by the keys of ``leaderboard.json``."""
    report = row.report
    return {
        **run_facts(report),
        "failures": [{"cause": cause, "models": n} for cause, n in failure_counts(report).most_common()],
        "sentence": report.verdict.sentence,
        "isolation": isolation_words(report),
        "isolation_sentence": report.runner.isolation,
        "device": device(report),
        "machine": machine(report),
        "undependable_because": report.budget.undependable_because,
        "rejudged": report.rejudged or "",
        "harness": report.harness_version,
        "python": report.runner.python or "",
        "warnings": [text for text in (fault(report), *report.warnings) if text],
    }


def alike(board: Board) -> dict[str, str]:
    """Return what all runs of a board share, by the keys of :data:`VARYING`."""
    facts = [row_facts(row) for row in board.rows]
    texts = {
        "isolation": [one["isolation"] for one in facts],
        "torch": [one["torch"] for one in facts],
        "device": [f"{one['device']}, {one['machine']}" for one in facts],
        "limit": [one["limit"].partition(" (")[0] for one in facts],
        "version": [one["version"] for one in facts],
    }
    return {key: found[0] for key, found in texts.items() if len(set(found)) == 1}


def _excluded(report: Report, ranked_by: str) -> str:
    """Return why a run is not ranked regardless of its numbers; empty if it is."""
    if ranked_by.partition(".")[0] in faulty(report):
        return f"not ranked: {fault(report)}"
    if report.plugin.origin == SUPPLIED:
        return "not ranked: its outputs were supplied, not made here under a limit"
    if report.verdict.below_floor:
        return "not ranked: its accuracy is too far below that of retrained models"
    return ""


def isolation_words(report: Report) -> str:
    """Return the isolation in words, e.g. "docker, a guest per model", or "not isolated (process)"."""
    runner = report.runner
    if runner.isolation.startswith("none"):
        return plain(f"not isolated ({runner.name})")
    return plain(f"{runner.name}, {GUESTS[runner.isolation_level]}")


def device(report: Report) -> str:
    """Return the plugin's GPUs, or CPU."""
    if not report.runner.gpu:
        return "CPU"
    return plain(", ".join(dict.fromkeys(report.hardware.gpus))) or "GPU"


def _overshoots(report: Report, name: str) -> bool:
    ends = position_ends(report, name)
    return ends is not None and min(ends) > 1


def _metric(report: Report, name: str) -> Number | None:
    record = report.evaluator(name.partition(".")[0])
    metric = report.named(name)
    if metric is None or record is None or record.error:
        return None
    ends = metric.interval
    return Number(metric.value) if ends is None else Number(metric.value, ends.low, ends.high)


def _number(value: float | None, ends: tuple[float, float] | None) -> Number:
    return Number(value) if ends is None else Number(value, *ends)
