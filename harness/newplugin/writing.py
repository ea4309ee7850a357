"""Atomic creation of a new package's folder."""

from __future__ import annotations

import errno
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from harness.core.files import write_error
from harness.errors import FolderOccupiedError

TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})


def write_package(folder: Path, files: Mapping[PurePosixPath, str]) -> None:
    """Write ``files`` below ``folder``, which must be missing or empty; create its parents.

    Raises:
        FolderOccupiedError: ``folder`` exists and is not an empty folder.
        NoSpaceError, OutputUnwritableError: the folder cannot be written; no partial folder is left.
    """
    if folder.is_symlink() or (folder.exists() and not _is_empty(folder)):
        raise _occupied(folder)
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}.tmp")
    try:
        for name, text in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        partial.rename(folder)
    except OSError as error:
        # Another process may have created the folder since the check above.
        raise _occupied(folder) if error.errno in TAKEN and folder.exists() else write_error(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is None


def _occupied(folder: Path) -> FolderOccupiedError:
    return FolderOccupiedError(
        f"{folder} already exists and is not an empty folder. Choose another --dir or another name, or remove it."
    )
