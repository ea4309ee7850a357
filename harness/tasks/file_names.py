"""From a file name in a table to the file, with messages that say what is there instead."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from harness.keys import shown


def found_file(root: Path, name: str) -> Path:
    """Return the file ``name`` seen from ``root``, links followed.

    Args:
        root: a directory, links followed.
        name: relative to it, with ``/`` between folders.

    Raises:
        ValueError: no such file, a folder, or a place outside ``root``; the message begins with a verb, says what is
            there, and what to do.
    """
    if "\\" in name and "/" not in name and not (root / name).exists():
        raise ValueError("does not exist; write / between folders, not a backslash")
    path = root / name
    resolved = path.resolve()
    if not resolved.is_relative_to(root):
        raise ValueError(_outside(root, path, resolved))
    if not resolved.exists():
        raise ValueError(_missing(root, name, path, resolved))
    if not resolved.is_file():
        raise ValueError("cannot be read as a picture: it is not a file")
    return resolved


def _outside(root: Path, path: Path, resolved: Path) -> str:
    if path.is_symlink() and path.parent.resolve().is_relative_to(root):
        return (
            f"leads out of the directory {root}: it is a link to {resolved}; put a copy in its place, or choose a "
            "directory that holds both"
        )
    return f"leads out of the directory {root}; name files inside it"


def _missing(root: Path, name: str, path: Path, resolved: Path) -> str:
    if path.is_symlink():
        return f"is a link to {resolved}, which does not exist; fetch that file, or put a copy in its place"
    other = _written_otherwise(root, name)
    if other is None:
        return f"cannot be read as a picture: there is no such file in {root}"
    same = unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", name)
    form = "in another Unicode form" if same else "in other letters"
    return f"does not exist; there is {ascii(other) if same else shown(other)}, the same name {form}: write it so, or rename it"


def _written_otherwise(root: Path, name: str) -> str | None:
    """Return the name of the file that differs from ``name`` in Unicode form or case alone; None if there is none."""
    here, parts = root, []
    for part in Path(name).parts:
        if part != ".." and not (here / part).exists():
            wanted = _folded(part)
            others = (
                sorted(entry.name for entry in here.iterdir() if _folded(entry.name) == wanted) if here.is_dir() else []
            )
            if not others:
                return None
            part = others[0]
        parts.append(part)
        here = here / part
    return "/".join(parts)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
