"""The console for all output of more than a line."""

from __future__ import annotations

from rich.console import Console

LEAST_COLUMNS = 80
"""Minimum width of tables: a narrower table would cut values, while a narrower terminal only wraps the lines."""


def console() -> Console:
    """Return a console on standard output, at least :data:`LEAST_COLUMNS` wide."""
    found = Console()
    return found if found.width >= LEAST_COLUMNS else Console(width=LEAST_COLUMNS)
