"""Robust emptying of scratch folders between models. Standard library only."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator


def wipe(folder: str) -> bool:
    """Delete what can be deleted inside ``folder``, but not the folder; return True if it is empty now.

    It does not recurse, so no depth of nesting can stop it, and follows no links. Entries that cannot be deleted are left.
    """
    try:
        root = _open_folder(folder)
    except FileNotFoundError:  # the engine does not provide it
        return True
    except OSError:
        return False
    try:
        numbers = itertools.count()
        pending = _names(root)
        while pending:
            pending += _remove(root, pending.pop(), numbers)
        return not _names(root)
    finally:
        os.close(root)


def _remove(root: int, name: str, numbers: Iterator[int]) -> list[str]:
    """Remove one entry of the folder open at ``root``; move its content up there first and return the new names."""
    moved: list[str] = []
    with contextlib.suppress(OSError):  # the caller sees that the folder is not empty
        if not _is_folder(root, name):
            os.unlink(name, dir_fd=root)
            return moved
        os.chmod(name, 0o700, dir_fd=root)
        folder = _open_folder(name, root)
        try:
            moved = [_move_up(root, folder, inner, f".to-wipe-{next(numbers)}") for inner in _names(folder)]
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=root)
    return moved


def _move_up(root: int, folder: int, inner: str, new_name: str) -> str:
    if _is_folder(folder, inner):
        os.chmod(inner, 0o700, dir_fd=folder)  # moving a folder needs write permission
    os.rename(inner, new_name, src_dir_fd=folder, dst_dir_fd=root)
    return new_name


def _open_folder(name: str, parent: int | None = None) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _is_folder(parent: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
