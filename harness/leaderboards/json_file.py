"""The leaderboard as JSON, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from harness.leaderboards import words
from harness.leaderboards.board import Board, Leaderboard, Row
from harness.leaderboards.rows import row_facts

VERSION = "1"


def json_text(leaderboard: Leaderboard) -> str:
    """Return the leaderboard as JSON text; missing numbers are null."""
    document = {
        "leaderboard_version": VERSION,
        "title": leaderboard.title,
        "ranked_by": leaderboard.ranked_by,
        "rule": words.rule(leaderboard),
        "utility": leaderboard.utility,
        "boards": [_board(board) for board in leaderboard.boards],
        "skipped": [asdict(one) for one in leaderboard.skipped],
        "excluded": [asdict(one) for one in leaderboard.excluded],
        "public": leaderboard.public,
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _board(board: Board) -> dict[str, Any]:
    return {
        "board": board.name,
        **{
            name: getattr(board, name)
            for name in ("task", "description", "data_digest", "models", "design", "shared", "apart")
        },
        "metrics": [asdict(column) for column in board.columns],
        "rows": [_row(row) for row in board.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    own = {
        name: value for name, value in vars(row).items() if name not in ("report", "rank", "way", "metrics", "seconds")
    }
    return {
        **row_facts(row),
        **own,
        "rank": asdict(row.rank) if row.rank else None,
        "way": asdict(row.way),
        "metrics": {name: asdict(number) for name, number in row.metrics.items()},
        "seconds": asdict(row.seconds),
        "page": words.page_of(row),
        "report": words.report_of(row),
    }
