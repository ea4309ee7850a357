"""Names in messages."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def near_match(found: str, allowed: Sequence[str]) -> str:
    """Return ``; did you mean 'fc.weight'?`` if one of ``allowed`` is close to ``found``, else an empty text."""
    close = difflib.get_close_matches(found, allowed, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
