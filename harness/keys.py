"""Keys that are read from text: labels, subjects, ids, file names, names of plugins, tasks and metrics.

Two keys are equal if and only if a reader sees the same text: keys are compared in Unicode's normal form C, and characters
that cannot be seen, or that change what is seen around them, are refused. No order of keys depends on the hash seed or the
locale.
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
    "Cs": "half a character",
    "Co": "private character",
    "Zl": "line separator",
    "Zp": "paragraph separator",
    "Zs": "blank other than the space",
}
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Characters of other categories that Unicode lists as ignorable: joiners, fillers and variation selectors."""
_WHOLE = re.compile(r"[-+]?[0-9]+")
_SHOWN = 60


class KeyTextError(ValueError):
    """A text that cannot be a key; the message says what was found and what to do."""


def key(text: str, *, separators: bool = True) -> str:
    """Return ``text`` in normal form C.

    Args:
        text: as it was read.
        separators: accept ``/`` and ``\\``, as labels and ids may have them and names may not.

    Raises:
        KeyTextError: it is empty, too long, has blanks around it, or holds a character that is refused.
    """
    if text.isascii() and text.isprintable():
        found = text
    else:
        _refuse_characters(text)
        found = unicodedata.normalize("NFC", text)
    if not found:
        raise KeyTextError("is empty; give it a name")
    if found != found.strip():
        raise KeyTextError(f"{shown(found)} has blanks around it; take them away")
    if len(found) > MOST_CHARACTERS:
        raise KeyTextError(f"{shown(found)} has {len(found)} characters; at most {MOST_CHARACTERS} are taken")
    if not separators and (bad := next((character for character in found if character in SEPARATORS), "")):
        raise KeyTextError(f"{shown(found)} holds {bad!r}; take it out")
    return found


def _refuse_characters(text: str) -> None:
    for character in text:
        kind = _REFUSED.get(unicodedata.category(character), "")
        if _UNSEEN.match(character):
            kind = "invisible character"
        if kind and character != " ":
            raise KeyTextError(f"{shown(text)} holds U+{ord(character):04X} ({kind}); take it out")


def shown(text: str) -> str:
    """Return ``text`` in quotes for a message: shortened, and in ASCII where it would look like another text."""
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return repr(cut) if unicodedata.is_normalized("NFC", cut) and not _UNSEEN.search(cut) else ascii(cut)


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names in a total order: by number if all are whole numbers in ASCII digits, else by code point."""
    unique = set(names)
    if all(_WHOLE.fullmatch(name) for name in unique):
        return tuple(sorted(unique, key=lambda name: (int(name), name)))
    return tuple(sorted(unique))


def look_alike(names: Iterable[str]) -> Mapping[str, str]:
    """Return each name that reads like an earlier one, with the earlier one.

    Names read alike if they are equal in Unicode's normal form KC (``1`` and a full-width ``1``), or are the same whole
    number (``1`` and ``01``).
    """
    first: dict[str | int, str] = {}
    found = {}
    for name in dict.fromkeys(names):
        plain = unicodedata.normalize("NFKC", name)
        earlier = first.setdefault(int(plain) if _WHOLE.fullmatch(plain) else plain, name)
        if earlier != name:
            found[name] = earlier
    return found


def distribution_key(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it: ``My.Method`` and ``my_method`` are one."""
    return re.sub(r"[-_.]+", "-", name).lower()
