"""The leaderboard's index: a self-contained page with a script that sorts and filters the table.

The page's Content-Security-Policy allows only this script and this style, by digest. The script contains no text of a report.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

import harness.report
from harness.comparing.scatter import panels, scatter
from harness.leaderboard import words
from harness.leaderboard.board import Board, Leaderboard
from harness.report.page import render
from harness.report.words import WANTED, plain

TEMPLATE = "leaderboard.html.j2"
STYLES = ("page.css", "compare.css", "leaderboard.css")
SCRIPT = "leaderboard.js"


@dataclass(frozen=True)
class Choices:
    """The page's filters, with the values that occur."""

    task: tuple[str, ...]
    torch: tuple[str, ...]
    device: tuple[str, ...]
    isolation: tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """A board with its plots, safe to embed in a page."""

    board: Board
    pictures: tuple[tuple[str, str], ...]


def page_text(leaderboard: Leaderboard) -> str:
    """Return the page's HTML."""
    style, script = "\n".join(map(_asset, STYLES)), _asset(SCRIPT)
    return render(
        TEMPLATE,
        leaderboard=leaderboard,
        shown=[Shown(board, tuple(_pictures(board))) for board in leaderboard.boards],
        choices=_choices(leaderboard),
        words=words,
        wanted=WANTED,
        style=style,
        script=script,
        policy=f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
    )


def _asset(name: str) -> str:
    return (Path(harness.report.__path__[0]) / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """Return a source expression of Content-Security-Policy that allows exactly this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _pictures(board: Board) -> list[tuple[str, str]]:
    if board.trade_off is None:
        return []
    made = [(panel.title, scatter(panel, board.trade_off)) for panel in panels(board.trade_off)]
    return [(title, svg) for title, svg in made if svg]


def _choices(leaderboard: Leaderboard) -> Choices:
    rows = leaderboard.rows
    return Choices(
        task=tuple(sorted({plain(board.task) for board in leaderboard.boards})),
        torch=tuple(sorted({plain(row.torch_release) for row in rows})),
        device=tuple(sorted({row.device for row in rows})),
        isolation=tuple(sorted({row.isolation for row in rows})),
    )
