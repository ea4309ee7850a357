"""Phrases shared by messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def near_match(found: str, allowed: Sequence[str]) -> str:
    """Return ``; did you mean 'persons'?`` if one of ``allowed`` is close to ``found``, else an empty text."""
    match = closest(found, allowed)
    return "" if match is None else f"; did you mean {match!r}?"


def closest(found: str, allowed: Sequence[str]) -> str | None:
    """Return the one of ``allowed`` that ``found`` is close to, whatever its case; None if there is none."""
    close = difflib.get_close_matches(found.lower(), [name.lower() for name in allowed], n=1, cutoff=0.6)
    return next((name for name in allowed if close and name.lower() == close[0]), None)


def listed(names: Iterable[str]) -> str:
    """Return ``a, b, c``."""
    return ", ".join(names)


def unknown_key(found: str, allowed: Sequence[str]) -> str:
    """Return the fault of a key that is none of ``allowed``."""
    return f"unknown key{near_match(found, allowed)}; allowed: {listed(allowed)}"


MOST_FAULTS = 20
"""Maximum number of faults listed in a message; the others are counted."""


def with_faults(place: str, faults: Sequence[str]) -> str:
    """Return ``place, fault`` for a single fault, else ``place has N faults:`` and a line per fault."""
    if len(faults) == 1:
        return f"{place}, {faults[0]}"
    lines = "".join(f"\n  {fault}" for fault in faults[:MOST_FAULTS])
    rest = f"\n  and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
    return f"{place} has {len(faults)} faults:{lines}{rest}"
