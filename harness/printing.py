"""The console on which everything is printed that is more than a line."""

from __future__ import annotations

from rich.console import Console

LEAST_COLUMNS = 80
"""A table in fewer columns would lose values; a narrower terminal breaks the lines by itself instead, and nothing is lost."""


def console() -> Console:
    """Return standard output, at least :data:`LEAST_COLUMNS` wide."""
    found = Console()
    return found if found.width >= LEAST_COLUMNS else Console(width=LEAST_COLUMNS)
