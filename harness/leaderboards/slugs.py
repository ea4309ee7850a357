"""Folder names that are safe in every file system and URL."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_CHARS, DIGITS = 40, 10


def slugs(names: Sequence[tuple[str, str]]) -> list[str]:
    """Return a slug for each pair of name and hex digest, e.g. "neggrad-plus-3f2a9c01de": lower-case ASCII, digits, hyphens.

    If two slugs collide, more digits of the digests, which are unique, are used.
    """
    digits = DIGITS
    while True:
        made = [f"{_safe(name)}-{_safe(digest)[:digits]}" for name, digest in names]
        if len(set(made)) == len(set(names)):
            return made
        digits += DIGITS


def _safe(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:64].strip("-")[:MAX_CHARS].strip("-") or "run"
