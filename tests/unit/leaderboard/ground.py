"""Folders with reports as runs leave them, and sites made of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.leaderboards import Found, Leaderboard, find_reports, rank_all, write_site
from harness.report.document import Report
from harness.report.records import RunnerRecord
from harness.report.writing import write_report
from tests.unit.comparing.samples import report
from tests.unit.report.examples import RUNNER

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}=cmd|' /C calc'!A0\x1b[31m\u202e"


def save(root: Path, name: str, made: Report) -> Path:
    """Write a report into a run folder."""
    folder = root / name
    folder.mkdir(parents=True)
    write_report(made, folder)
    return folder


def saved(root: Path, name: str, auc: float | None = 0.8, half: float | None = 0.02, **changes: Any) -> Path:
    """Write a run of the method ``name`` into a folder of that name."""
    return save(root, name, report(name, auc, half, **changes))


def runner(torch: str = "2.13.0+cpu", **changes: Any) -> RunnerRecord:
    return replace(RunnerRecord.from_facts(RUNNER, "run"), torch=torch, **changes)


def board_of(root: Path) -> Leaderboard:
    return rank_all(find_reports([root]))


def site_of(root: Path, site: Path) -> Found:
    found = find_reports([root])
    write_site(rank_all(found), found.entries, site)
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its content."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def texts(markup: str) -> str:
    """Return a page without its tags."""
    return re.sub(r"<[^>]*>", " ", markup)
