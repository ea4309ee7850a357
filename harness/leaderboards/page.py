"""The leaderboard's index: a self-contained page with a script that sorts and filters the table.

The page's Content-Security-Policy allows only this script and this style, by digest. The script contains no text of a report.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import harness.report
from harness.comparing.scatter import scatters
from harness.leaderboards import words
from harness.leaderboards.board import Leaderboard
from harness.leaderboards.rows import VARYING, alike, device, isolation_words, row_facts
from harness.report.glossary import entries_of
from harness.report.page import policy_source, render
from harness.report.status_words import chips
from harness.report.words import VERDICT_TONE, VERDICT_WORDS, WANTED, plain, spanned

TEMPLATE = "leaderboard.html.j2"
STYLES = ("plots.css", "page.css", "compare.css", "leaderboard.css")
SCRIPT = "leaderboard.js"


def page_text(leaderboard: Leaderboard) -> str:
    """Return the page's HTML."""
    style, script = "\n".join(map(_asset, STYLES)), _asset(SCRIPT)
    return render(
        TEMPLATE,
        leaderboard=leaderboard,
        scatters=scatters,
        choices=_choices(leaderboard),
        words=words,
        spanned=spanned,
        row_facts=row_facts,
        levels=VERDICT_WORDS,
        tones=VERDICT_TONE,
        VARYING=VARYING,
        alike_in=alike,
        chips=chips,
        entries=entries_of(_metrics(leaderboard)),
        wanted=WANTED,
        style=style,
        script=script,
        policy=f"default-src 'none'; script-src {policy_source(script)}; style-src {policy_source(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
    )


def _metrics(leaderboard: Leaderboard) -> Iterator[tuple[str, str]]:
    """Yield evaluator and name of each metric that is shown."""
    for board in leaderboard.boards:
        for column in board.columns:
            evaluator, _, name = column.name.partition(".")
            yield evaluator, name


def _asset(name: str) -> str:
    return (Path(harness.report.__path__[0]) / name).read_text(encoding="utf-8")


def _choices(leaderboard: Leaderboard) -> list[tuple[str, str, list[str]]]:
    """Return the page's filters: name, label and the values that occur."""
    rows = leaderboard.rows
    return [
        ("task", "Task", sorted({plain(board.task) for board in leaderboard.boards})),
        ("torch", "torch", sorted({plain(words.torch_release(row)) for row in rows})),
        ("device", "Device", sorted({device(row.report) for row in rows})),
        ("isolation", "Isolation", sorted({isolation_words(row.report) for row in rows})),
    ]
