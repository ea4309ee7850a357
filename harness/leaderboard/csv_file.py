"""The leaderboard as CSV after RFC 4180: one line per run, numbers in full, text that no spreadsheet computes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

from harness.comparing.csv_file import Field, guarded
from harness.leaderboard import words
from harness.leaderboard.model import Board, Leaderboard, Number, Row

COLUMNS = (
    "task",
    "board",
    "rank",
    "rank_last",
    "method",
    "plugin",
    "distribution",
    "version",
    "options",
    "way",
    "way_low",
    "way_high",
    "overshoots",
    "seconds",
    "seconds_low",
    "seconds_high",
    "finished",
    "models",
    "failures",
    "verdict",
    "isolation",
    "torch",
    "device",
    "machine",
    "limit_s",
    "clock",
    "dependable",
    "failed_as",
    "created",
    "harness",
    "run_id",
    "report",
)


def csv_text(leaderboard: Leaderboard) -> str:
    """The leaderboard as CSV; after the fixed columns value, low and high of each metric that any board has."""
    metrics = sorted({column.name for board in leaderboard.boards for column in board.columns})
    text = io.StringIO()
    writer = csv.writer(text)
    heads = [f"{name}{end}" for name in metrics for end in ("", "_low", "_high")]
    writer.writerow([guarded(name) for name in (*COLUMNS, *heads)])
    for board in leaderboard.boards:
        for row in board.rows:
            numbers = [value for name in metrics for value in _ends(row.metrics.get(name, Number(None)))]
            writer.writerow([guarded(value) for value in (*_values(board, row), *numbers)])
    return text.getvalue()


def _values(board: Board, row: Row) -> Iterator[Field]:
    yield from (board.task, board.name)
    yield from (row.rank.first, row.rank.last) if row.rank else (None, None)
    yield from (row.label, row.plugin, row.distribution, row.version, json.dumps(row.options, sort_keys=True))
    yield from (*_ends(row.way), int(row.overshoots), *_ends(row.seconds))
    yield from (row.finished, row.models, words.failures(row), row.verdict, row.isolation, row.torch, row.device)
    yield from (
        row.machine,
        row.limit_s,
        row.clock,
        None if row.dependable is None else int(row.dependable),
        row.failed_as,
    )
    yield from (row.created, row.harness, row.run_id, words.report_of(row))


def _ends(number: Number) -> tuple[Field, Field, Field]:
    return number.value, number.low, number.high
