"""The leaderboard as CSV: one line per run."""

from __future__ import annotations

import json
from collections.abc import Callable

from harness.comparing.csv_table import Columns, Field, csv_of
from harness.leaderboard import words
from harness.leaderboard.board import Board, Leaderboard, Number, Row

Line = tuple[Board, Row]


def _of(name: str) -> Columns[Line]:
    """Return the column of an attribute of the row; a truth value is 0 or 1."""

    def read(line: Line) -> Field:
        value: Field = getattr(line[1], name)
        return int(value) if isinstance(value, bool) else value

    return {name: read}


def _ends(name: str, number: Callable[[Row], Number]) -> Columns[Line]:
    """Return the three columns of a number with its interval."""
    return {
        name: lambda line: number(line[1]).value,
        f"{name}_low": lambda line: number(line[1]).low,
        f"{name}_high": lambda line: number(line[1]).high,
    }


COLUMNS: Columns[Line] = {
    "task": lambda line: line[0].task,
    "board": lambda line: line[0].name,
    "rank": lambda line: line[1].rank.first if line[1].rank else None,
    "rank_last": lambda line: line[1].rank.last if line[1].rank else None,
    "method": lambda line: line[1].label,
    **_of("plugin"),
    **_of("distribution"),
    **_of("version"),
    "options": lambda line: json.dumps(line[1].options, sort_keys=True),
    **_ends("way", lambda row: row.way),
    **_of("overshoots"),
    **_ends("seconds", lambda row: row.seconds),
    **_of("finished"),
    **_of("models"),
    "failures": lambda line: words.failures(line[1]),
    **_of("verdict"),
    **_of("isolation"),
    **_of("torch"),
    **_of("device"),
    **_of("machine"),
    **_of("limit_s"),
    **_of("clock"),
    **_of("dependable"),
    **_of("failed_as"),
    **_of("created"),
    **_of("harness"),
    **_of("run_id"),
    "report": lambda line: words.report_of(line[1]),
}


def csv_text(leaderboard: Leaderboard) -> str:
    """Return the leaderboard as CSV; after the fixed columns value, low and high of each metric that any board has."""
    names = sorted({column.name for board in leaderboard.boards for column in board.columns})
    columns = dict(COLUMNS)
    for name in names:
        columns.update(_ends(name, lambda row, name=name: row.metrics.get(name, Number(None))))  # type: ignore[misc]
    return csv_of([(board, row) for board in leaderboard.boards for row in board.rows], columns)
