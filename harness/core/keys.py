"""Validation and ordering of text keys: labels, subjects, ids, file names, names of plugins, tasks and metrics.

Two keys are equal if and only if they look the same to a reader. Keys are therefore normalised to Unicode's NFC, and invisible
characters, or characters that change the display of others, are refused. The order of keys does not depend on the hash seed or
the locale.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

MOST_CHARACTERS = 200
SEPARATORS = "/\\"
_REFUSED = {
    "Cc": "control character",
    "Cf": "invisible character",
    "Cs": "lone surrogate",
    "Co": "private-use character",
    "Zl": "line separator",
    "Zp": "paragraph separator",
    "Zs": "space other than U+0020",
}
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Default-ignorable characters of other categories: joiners, fillers and variation selectors."""
_WHOLE = re.compile(r"[-+]?[0-9]+")
_WHOLE_VALUE = re.compile(r"([-+]?[0-9]+)([.]0*)?")
_SHOWN = 60


class KeyTextError(ValueError):
    """A text is not a valid key; the message names the problem and the fix."""


def key(text: str, *, separators: bool = True) -> str:
    """Return ``text`` normalised to NFC.

    Args:
        text: text from a file or a user.
        separators: accept ``/`` and ``\\``, which labels and ids may contain and names may not.

    Raises:
        KeyTextError: the text is empty or too long, has leading or trailing spaces, or contains a refused character.
    """
    if text.isascii() and text.isprintable():
        found = text
    else:
        _refuse_characters(text)
        found = unicodedata.normalize("NFC", text)
    if not found:
        raise KeyTextError("is empty; give a name")
    if found != found.strip():
        raise KeyTextError(f"{shown(found)} has leading or trailing spaces; remove them")
    if len(found) > MOST_CHARACTERS:
        raise KeyTextError(f"{shown(found)} has {len(found)} characters; shorten it to at most {MOST_CHARACTERS}")
    if not separators and (bad := next((character for character in found if character in SEPARATORS), "")):
        raise KeyTextError(f"{shown(found)} contains {bad!r}; remove it")
    return found


def _refuse_characters(text: str) -> None:
    for character in text:
        kind = _REFUSED.get(unicodedata.category(character), "")
        if _UNSEEN.match(character):
            kind = "invisible character"
        if kind and character != " ":
            raise KeyTextError(f"{shown(text)} contains U+{ord(character):04X} ({kind}); remove it")


def shown(text: str) -> str:
    """Return ``text`` quoted for a message: shortened, and in ASCII if it could be confused with another text."""
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return repr(cut) if unicodedata.is_normalized("NFC", cut) and not _UNSEEN.search(cut) else ascii(cut)


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Return the unique names, sorted by number if all are whole numbers in ASCII digits, else by code point."""
    unique = set(names)
    if all(_WHOLE.fullmatch(name) for name in unique):
        return tuple(sorted(unique, key=lambda name: (int(name), name)))
    return tuple(sorted(unique))


def look_alike(names: Iterable[str]) -> Mapping[str, str]:
    """Return a mapping from each name that can be confused with an earlier name to that name.

    Two names can be confused if they are equal in Unicode's NFKC (``1`` and a full-width ``1``), or are the same whole
    number (``1``, ``01`` and ``1.0``).
    """
    first: dict[str | int, str] = {}
    found = {}
    for name in dict.fromkeys(names):
        plain = unicodedata.normalize("NFKC", name)
        whole = _WHOLE_VALUE.fullmatch(plain)
        earlier = first.setdefault(int(whole[1]) if whole else plain, name)
        if earlier != name:
            found[name] = earlier
    return found
