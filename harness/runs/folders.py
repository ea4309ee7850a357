"""Discovery of run folders and reports below a folder."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from pathlib import Path

from harness.core.site_marker import is_site
from harness.report.writing import REPORT_NAME
from harness.runs.store import RUN

MODELS = "models"


def folders_with(root: Path, names: Container[str]) -> Iterator[Path]:
    """Yield ``root`` and each folder below it that has a file of one of these names, by path.

    Hidden folders, sites of leaderboards, links to folders, and the models' folders of a run are skipped.
    """
    for place, below, files in os.walk(root):
        below[:] = sorted(
            name
            for name in below
            if not name.startswith(".") and not (name == MODELS and RUN in files) and not is_site(Path(place, name))
        )
        if any(name in names and Path(place, name).is_file() for name in files):
            yield Path(place)


def report_files(root: Path) -> Iterator[Path]:
    """Yield each ``report.json`` in ``root`` and below it; see :func:`folders_with`."""
    for folder in folders_with(root, (REPORT_NAME,)):
        yield folder / REPORT_NAME


def run_folders(root: Path) -> Iterator[Path]:
    """Yield each folder of a run, finished or not, in ``root`` and below it; see :func:`folders_with`."""
    yield from folders_with(root, (RUN, REPORT_NAME))
