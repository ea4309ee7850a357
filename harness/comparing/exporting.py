"""Export of a comparison to HTML, CSV, LaTeX or JSON, written atomically."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from harness.comparing.comparison import Comparison
from harness.comparing.csv_file import csv_text
from harness.comparing.json_file import json_text
from harness.comparing.latex import latex_text
from harness.comparing.loading import LoadedReport
from harness.comparing.page import page_text
from harness.core.files import atomic_write_text
from harness.errors import UsageError
from harness.report.writing import REPORT_NAME

Format = Literal["html", "csv", "latex", "json"]
FORMATS: tuple[Format, ...] = ("html", "csv", "latex", "json")
STDOUT = Path("-")
_TEXTS: Mapping[Format, Callable[..., str]] = {
    "html": page_text,
    "csv": csv_text,
    "latex": latex_text,
    "json": json_text,
}


def write(made: Sequence[Comparison], kind: Format, path: Path) -> None:
    """Write comparisons to ``path``, or to standard output if it is ``-``; all formats but HTML take one.

    Raises:
        NoSpaceError: the disk is full; an older file stays unchanged.
        OutputUnwritableError: the folder does not exist or is not writable.
    """
    text = _TEXTS[kind](*made)
    if path == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        atomic_write_text(path, text)


def check_targets(targets: Sequence[Path], reports: Sequence[LoadedReport]) -> None:
    """Raise an error if two documents share a target or a target is one of the compared reports.

    Raises:
        UsageError: with what to do.
    """
    twice = next((path for path in targets if targets.count(path) > 1), None)
    if twice is not None:
        place = "standard output" if twice == STDOUT else str(twice)
        raise UsageError(f"Two documents would be written to {place}. Choose different files.")
    read = {one.folder / REPORT_NAME for one in reports if one.folder is not None}
    for path in targets:
        if path.resolve() in read:
            raise UsageError(f"{path} is one of the compared reports and would be overwritten. Choose another file.")
