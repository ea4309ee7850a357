"""Files that are either whole or not there: written to a temporary name, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from harness.errors import HarnessError, NoSpaceError, OutputUnwritableError

PARTIAL = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``; whatever happens, ``path`` holds its old content or all of the new one.

    Raises:
        NoSpaceError: the disk or the quota is full; ``path`` is as it was.
        OutputUnwritableError: the folder is not there or may not be written; ``path`` is as it was.
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
    """:func:`atomic_write_bytes` of UTF-8; lone surrogates, which UTF-8 cannot hold, become ``\\udcXX`` escapes."""
    atomic_write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def atomic_write_json(path: Path, value: Any) -> None:
    """:func:`atomic_write_bytes` of ``value`` as indented JSON.

    Raises:
        ValueError: ``value`` holds NaN or infinity, which JSON cannot hold.
        TypeError: ``value`` holds something that is not JSON.
    """
    atomic_write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_tensors(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as safetensors, for folders that are renamed when they are whole.

    Raises:
        OSError: the disk is full, or the folder may not be written; the library's own writer hides which.
    """
    path.write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def remove_partial_files(folder: Path) -> None:
    """Remove what writers that were killed have left anywhere below ``folder``, at which no other process is at work."""
    for path in folder.rglob(".*.tmp"):
        if PARTIAL.fullmatch(path.name):
            path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_error(path: Path, error: OSError) -> HarnessError:
    """The error to raise where writing ``path`` failed with ``error``: what happened and what to do."""
    if error.errno in _FULL:
        return NoSpaceError(
            f"There is no space left to write {path} ({error.strerror}). Free some space or choose another folder; "
            "what was finished before is kept."
        )
    return OutputUnwritableError(
        f"{path} cannot be written: {error.strerror or error}. Choose a folder that exists and that you may write."
    )


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
