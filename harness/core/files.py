"""Atomic file writes: write to a temporary name, sync, rename."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, NoSpaceError, OutputUnwritableError

PARTIAL = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically: ``path`` holds its old content or all of the new content.

    Raises:
        NoSpaceError: the disk or the quota is full; ``path`` is unchanged.
        OutputUnwritableError: the folder does not exist or is not writable; ``path`` is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        _write_synced(temporary, data)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def atomic_write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with :func:`atomic_write_bytes`; write lone surrogates as ``\\udcXX`` escapes."""
    atomic_write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def atomic_write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with :func:`atomic_write_bytes`.

    Raises:
        ValueError: ``value`` contains NaN or infinity, which JSON cannot represent.
        TypeError: ``value`` contains a type that JSON cannot represent.
    """
    atomic_write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def remove_partial_files(folder: Path) -> None:
    """Remove temporary files of killed writers below ``folder``; no other process may be writing there."""
    for path in folder.rglob(".*.tmp"):
        if PARTIAL.fullmatch(path.name):
            path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Sync ``folder`` to disk, so that renames in it survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_mib(path: Path) -> int:
    """Return the free space in MiB on the file system of ``path`` or its nearest existing parent."""
    place = path.absolute()
    return shutil.disk_usage(next(one for one in (place, *place.parents) if one.exists())).free >> 20


def write_error(path: Path, error: OSError) -> HarnessError:
    """Convert ``error``, raised while writing ``path``, into an error with advice for the user."""
    if error.errno in _FULL:
        return NoSpaceError(
            f"There is no space left to write {path} ({error.strerror}). Free some space or choose another folder; "
            "finished work is kept."
        )
    return OutputUnwritableError(
        f"{path} cannot be written: {error.strerror or error}. Choose an existing, writable folder."
    )


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
