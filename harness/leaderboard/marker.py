"""The file by which a site is known as a leaderboard's own; it lists all other files of the site."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

MARKER_NAME = "harness-leaderboard.json"
MADE_BY = "unlearning-harness leaderboard"


def marker_text(files: Sequence[str]) -> str:
    """The marker of a site with these files, given as paths from the site on."""
    return json.dumps({"made_by": MADE_BY, "files": sorted(files)}, indent=1) + "\n"


def is_site(folder: Path) -> bool:
    """Whether a leaderboard was written here."""
    return listed_files(folder) is not None


def listed_files(folder: Path) -> frozenset[str] | None:
    """The files that the site's marker lists, and the marker itself; None where there is no marker of ours."""
    try:
        document = json.loads((folder / MARKER_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("made_by") != MADE_BY:
        return None
    files = document.get("files")
    return frozenset([MARKER_NAME, *map(str, files)]) if isinstance(files, list) else None
