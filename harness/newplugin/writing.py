"""Puts a new package on disk: all of it or nothing."""

from __future__ import annotations

import errno
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from harness.errors import FolderOccupiedError
from harness.files import write_error

TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})


def write_package(folder: Path, files: Mapping[PurePosixPath, str]) -> None:
    """Write ``files`` below ``folder``, which may be there if it is empty; folders above it are made.

    Raises:
        FolderOccupiedError: something is at ``folder`` already.
        NoSpaceError, OutputUnwritableError: it cannot be written; nothing is left of it.
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
        # Between the first look and the last step somebody else may have been here.
        raise _occupied(folder) if error.errno in TAKEN and folder.exists() else write_error(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is None


def _occupied(folder: Path) -> FolderOccupiedError:
    return FolderOccupiedError(
        f"There is something at {folder} already. Choose another --dir or another name, or remove it."
    )
