"""A study as one self-contained HTML page: no network, no script, all text of plugins escaped."""

from __future__ import annotations

from pathlib import Path

from harness.comparing.scatter import scatters
from harness.core.files import atomic_write_text
from harness.report.page import render
from harness.report.words import duration
from harness.studies import tables
from harness.studies.results import StudyResults
from harness.studies.running import CELLS
from harness.studies.tables import PAGE, STANDING_HEADINGS, board_title, standing_rows

TEMPLATE = "study.html.j2"


def page_text(results: StudyResults) -> str:
    """Return the page's HTML."""
    parts = [
        {
            "board": board,
            "title": board_title(board),
            "rows": standing_rows(board),
            "plots": scatters(board.trade_off),
            "reading": tables.reading(board),
        }
        for board in results.boards
    ]
    return render(
        TEMPLATE,
        results=results,
        parts=parts,
        headings=STANDING_HEADINGS,
        tables=tables,
        duration=duration,
        cells=CELLS,
    )


def write_page(results: StudyResults) -> Path:
    """Write ``study.html`` into the study's folder."""
    path = results.folder / PAGE
    atomic_write_text(path, page_text(results))
    return path
