"""The site's folder: written to a temporary folder, swapped in when complete; foreign files are never replaced."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core.files import write_error
from harness.core.site_marker import MARKER_NAME, listed_files, marker_text
from harness.errors import SiteOccupiedError
from harness.leaderboards import words
from harness.leaderboards.board import Leaderboard
from harness.leaderboards.csv_file import csv_text
from harness.leaderboards.finding import Entry, whole_report
from harness.leaderboards.json_file import json_text
from harness.leaderboards.page import page_text
from harness.report.page import render_page

INDEX = "index.html"
MOVE = "Move it away, or choose another folder."


def write_site(leaderboard: Leaderboard, entries: Sequence[Entry], folder: Path) -> Path:
    """Write the site and return its index; an earlier site is replaced as a whole or not at all.

    Raises:
        SiteOccupiedError: the folder has content that no leaderboard wrote.
        ReportInvalidError: a report changed in the meantime.
        NoSpaceError: the disk is full.
        OutputUnwritableError: the folder cannot be made or written.
    """
    place = folder.resolve()
    check_target(place)
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(6)}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        names = [_write(temporary, name, content) for name, content in _contents(leaderboard, entries)]
        _write(temporary, MARKER_NAME, marker_text(names).encode())
        _swap(temporary, place)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder / INDEX


def check_target(folder: Path) -> None:
    """Raise an error unless the folder is absent, empty, or a leaderboard's site without foreign files.

    Raises:
        SiteOccupiedError: with the names of the foreign files.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise SiteOccupiedError(f"{folder} is not a folder. {MOVE}")
    ours = listed_files(folder)
    there = sorted(_files(folder))
    if ours is None and any(folder.iterdir()):
        raise SiteOccupiedError(f"{folder} is not empty, and no leaderboard wrote it. {MOVE}")
    foreign = [name for name in there if name not in (ours or ())]
    if foreign:
        raise SiteOccupiedError(
            f"{folder} contains files that no leaderboard wrote and that would be lost: {', '.join(foreign[:5])}. {MOVE}"
        )


def _files(folder: Path) -> Iterator[str]:
    """Yield all paths that are not folders, including links, relative to the folder."""
    for place, folders, files in os.walk(folder):
        for name in (*files, *(one for one in folders if Path(place, one).is_symlink())):
            yield Path(place, name).relative_to(folder).as_posix()


def _contents(leaderboard: Leaderboard, entries: Sequence[Entry]) -> Iterator[tuple[str, bytes]]:
    rows = {row.digest: row for row in leaderboard.rows}
    for entry in entries:
        report, raw = whole_report(entry)
        row = rows[entry.digest]
        # Rendered again: a page that came with a report could contain scripts.
        yield words.page_of(row), _encoded(render_page(report))
        yield words.report_of(row), raw
    yield INDEX, _encoded(page_text(leaderboard))
    yield "leaderboard.json", _encoded(json_text(leaderboard))
    yield "leaderboard.csv", _encoded(csv_text(leaderboard))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="backslashreplace")


def _write(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def _swap(new: Path, place: Path) -> None:
    """Move the new folder into place; delete the old one afterwards."""
    if not place.exists():
        new.rename(place)
        return
    old = new.with_name(f"{new.name}.old")
    place.rename(old)
    try:
        new.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)
