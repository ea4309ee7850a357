"""The leaderboard as JSON, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from harness.leaderboard import words
from harness.leaderboard.board import Board, Leaderboard, Row

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
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _board(board: Board) -> dict[str, Any]:
    kept = asdict(board)
    return {
        "board": kept["name"],
        **{name: kept[name] for name in ("task", "description", "data_digest", "models", "design", "shared", "apart")},
        "metrics": kept["columns"],
        "rows": [_row(row) for row in board.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        **asdict(row),
        "page": words.page_of(row),
        "report": words.report_of(row),
        "failures": [{"cause": cause, "models": number} for cause, number in row.failures],
    }
