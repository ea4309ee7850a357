"""The leaderboard as CSV: one line per run."""

from __future__ import annotations

import json
from operator import methodcaller

from harness.comparing.csv_table import Field, csv_of
from harness.leaderboards import words
from harness.leaderboards.board import Board, Leaderboard, Number, Row
from harness.leaderboards.rows import row_facts

COLUMNS = (
    *("task", "board", "rank", "rank_last", "method", "plugin", "distribution", "version", "options"),
    *("way", "way_low", "way_high", "overshoots", "seconds", "seconds_low", "seconds_high", "finished", "models"),
    *("failures", "verdict", "isolation", "torch", "device", "machine", "limit_s", "clock", "dependable", "failed_as"),
    *("created", "harness", "run_id", "report"),
)


def csv_text(leaderboard: Leaderboard) -> str:
    """Return the leaderboard as CSV; after the fixed columns value, low and high of each metric that any board has."""
    metrics = sorted({column.name for board in leaderboard.boards for column in board.columns})
    names = [*COLUMNS, *(name for metric in metrics for name in _ends(metric, Number(None)))]
    lines = [_line(board, row) for board in leaderboard.boards for row in board.rows]
    return csv_of(lines, {name: methodcaller("get", name) for name in names})


def _line(board: Board, row: Row) -> dict[str, Field]:
    line = {
        **row_facts(row),
        "task": board.task,
        "board": board.name,
        "rank": row.rank.first if row.rank else None,
        "rank_last": row.rank.last if row.rank else None,
        "method": row.label,
        "options": json.dumps(row.report.plugin.options, sort_keys=True),
        "overshoots": row.overshoots,
        "failures": words.failures(row.report),
        "report": words.report_of(row),
    }
    for name, number in {"way": row.way, "seconds": row.seconds, **row.metrics}.items():
        line |= _ends(name, number)
    return line


def _ends(name: str, number: Number) -> dict[str, Field]:
    """Return the three columns of a number with its interval."""
    return {name: number.value, f"{name}_low": number.low, f"{name}_high": number.high}
