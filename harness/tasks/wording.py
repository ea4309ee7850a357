"""Phrases that several messages share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def near_match(found: str, allowed: Sequence[str]) -> str:
    """``; did you mean 'persons'?`` where one of ``allowed`` is close to ``found``, else nothing."""
    close = difflib.get_close_matches(found.lower(), [name.lower() for name in allowed], n=1, cutoff=0.6)
    if not close:
        return ""
    match = next(name for name in allowed if name.lower() == close[0])
    return f"; did you mean {match!r}?"


def listed(names: Iterable[str]) -> str:
    """``a, b, c``."""
    return ", ".join(names)
