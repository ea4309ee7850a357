"""The file that identifies a folder as a leaderboard's site; it lists the site's other files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

MARKER_NAME = "harness-leaderboard.json"
MADE_BY = "unlearning-harness leaderboard"


def marker_text(files: Sequence[str]) -> str:
    """Return the marker of a site with these files, given as paths relative to the site."""
    return json.dumps({"made_by": MADE_BY, "files": sorted(files)}, indent=1) + "\n"


def is_site(folder: Path) -> bool:
    """Return True if a leaderboard was written to this folder."""
    return listed_files(folder) is not None


def listed_files(folder: Path) -> frozenset[str] | None:
    """Return the files listed in the site's marker, and the marker; None without a valid marker."""
    try:
        document = json.loads((folder / MARKER_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("made_by") != MADE_BY:
        return None
    files = document.get("files")
    return frozenset([MARKER_NAME, *map(str, files)]) if isinstance(files, list) else None
