"""Lookup of files named in a table, with messages for near misses."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from harness.core.keys import shown


def found_file(root: Path, name: str) -> Path:
    """Return the resolved path of the file ``name`` below ``root``.

    Args:
        root: a resolved directory.
        name: path relative to it, with ``/`` between folders.

    Raises:
        ValueError: the file does not exist, is a folder or is outside ``root``; the message begins with a verb and
            contains advice.
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
        raise ValueError("cannot be read as an image: it is not a file")
    return resolved


def _outside(root: Path, path: Path, resolved: Path) -> str:
    if path.is_symlink() and path.parent.resolve().is_relative_to(root):
        return (
            f"is outside the dataset directory {root}: it is a link to {resolved}; replace it by a copy, or choose a "
            "directory that contains both"
        )
    return f"is outside the dataset directory {root}; name files inside it"


def _missing(root: Path, name: str, path: Path, resolved: Path) -> str:
    if path.is_symlink():
        return f"is a link to {resolved}, which does not exist; restore that file, or replace the link by a copy"
    other = _written_otherwise(root, name)
    if other is None:
        return f"cannot be read as an image: there is no such file in {root}"
    same = unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", name)
    form = "in another Unicode form" if same else "in another case"
    return (
        f"does not exist; there is {ascii(other) if same else shown(other)}, the same name {form}: write it like that, or "
        "rename the file"
    )


def _written_otherwise(root: Path, name: str) -> str | None:
    """Return the existing file name that differs from ``name`` only in Unicode form or case; None if there is none."""
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
