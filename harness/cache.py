"""A content-addressed cache on disk: verified on read, safe against two processes and against a kill at any moment.

An entry is a folder named by the SHA-256 of everything its content depends on. It is built under a temporary name beside its
place and renamed when it is whole; ``entry.json`` in it holds the key's inputs and the SHA-256 of every file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout

from harness.errors import CacheError, NoSpaceError

ENTRY = "entry.json"
ENVIRONMENT_VARIABLE = "HARNESS_CACHE_DIR"


_untold: list[str] = []


def take_rebuilt() -> list[str]:
    """One sentence for each entry, of whatever kind, that this process has found damaged since it was last asked."""
    told = [f"A damaged entry of the cache ({name}) was removed and is made anew." for name in _untold]
    del _untold[: len(told)]
    return told


def cache_root() -> Path:
    """The cache directory: ``$HARNESS_CACHE_DIR``, else the user's cache directory of this platform."""
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("unlearning-harness")


def key_of(inputs: Mapping[str, Any]) -> str:
    """SHA-256 of the inputs' canonical JSON."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, allow_nan=False).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            sha.update(piece)
    return sha.hexdigest()


@dataclass(frozen=True)
class CacheEntry:
    """An entry as listed.

    Attributes:
        key: SHA-256 of its inputs.
        path: its folder.
        inputs: what the key was made of.
        size_bytes: of all its files.
        used: when it was last read or written.
    """

    key: str
    path: Path
    inputs: Mapping[str, Any]
    size_bytes: int
    used: datetime


class Cache:
    """One kind of cached things, in a folder of its own under :func:`cache_root`."""

    def __init__(self, kind: str, root: Path | None = None) -> None:
        self._folder = (root or cache_root()) / kind

    def get_or_build(
        self,
        inputs: Mapping[str, Any],
        build: Callable[[Path], None],
        out_of_date: Callable[[Path], bool] = lambda _folder: False,
    ) -> tuple[Path, bool]:
        """The folder of the entry for ``inputs``, built by ``build(folder)`` where there is no sound one.

        One that is ``out_of_date`` is built anew.

        A second process that asks for the same entry waits for the first and takes its result.

        Returns:
            the entry's folder, and whether it was there already.

        Raises:
            CacheError: the cache directory cannot be used.
            NoSpaceError: the disk is full; no half-made entry is left.
        """
        key = key_of(inputs)
        place = self._folder / key[:2] / key
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(place.with_suffix(".lock")):
                if self._sound(place):
                    if not out_of_date(place):
                        os.utime(place / ENTRY)
                        return place, True
                    shutil.rmtree(place)
                self._build(inputs, place, build)
                return place, False
        except OSError as error:
            raise self._explain(error) from error

    def holds(self, inputs: Mapping[str, Any]) -> bool:
        """Whether there is an entry for ``inputs``; its content is not verified."""
        key = key_of(inputs)
        return (self._folder / key[:2] / key / ENTRY).is_file()

    def _sound(self, place: Path) -> bool:
        """Whether the entry is there and every file is as it was written; a corrupt one is removed and remembered."""
        if not place.exists():
            return False
        if _verified(place):
            return True
        _untold.append(f"{self._folder.name}/{place.name[:12]}")
        shutil.rmtree(place)
        return False

    def _build(self, inputs: Mapping[str, Any], place: Path, build: Callable[[Path], None]) -> None:
        for leftover in place.parent.glob(f".{place.name}-*"):  # of a killed process; the lock is ours now
            shutil.rmtree(leftover, ignore_errors=True)  # its orphaned worker may write on for a moment
        folder = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            build(folder)
            files = {str(path.relative_to(folder)): file_sha256(path) for path in _files(folder)}
            for path in _files(folder):
                _sync(path)
            (folder / ENTRY).write_text(json.dumps({"inputs": dict(inputs), "files": files}, indent=2, allow_nan=False))
            _sync(folder / ENTRY)
            folder.rename(place)
            _sync(place.parent)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _explain(self, error: OSError) -> CacheError | NoSpaceError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return NoSpaceError(
                f"No space left for the cache under {self._folder}. Free some (`harness references prune`), or set "
                f"{ENVIRONMENT_VARIABLE} to a folder on another disk. What was finished is kept."
            )
        return CacheError(
            f"The cache under {self._folder} cannot be used: {error}. Set {ENVIRONMENT_VARIABLE} to a folder that you "
            "may write."
        )

    def entries(self) -> Iterator[CacheEntry]:
        """All entries, whole or not verified, oldest use first."""
        found = []
        for path in self._folder.glob(f"*/*/{ENTRY}"):
            try:
                inputs = json.loads(path.read_text())["inputs"]
            except (ValueError, KeyError, OSError):
                inputs = {}
            size = sum(file.stat().st_size for file in _files(path.parent))
            used = datetime.fromtimestamp(path.stat().st_mtime, tz=timezone.utc)
            found.append(CacheEntry(path.parent.name, path.parent, inputs, size, used))
        yield from sorted(found, key=lambda entry: entry.used)

    def remove(self, entry: CacheEntry) -> None:
        """Remove one entry; another process that is just reading it has its files open and goes on."""
        with FileLock(entry.path.with_suffix(".lock")):
            shutil.rmtree(entry.path, ignore_errors=True)


def remove_abandoned(root: Path | None = None, *, dry_run: bool = False) -> list[Path]:
    """Remove what killed builds have left, of whatever kind of entry; returns the folders.

    A build that goes on holds its entry's lock and is left alone.

    Args:
        root: the cache directory; None for the user's.
        dry_run: only tell what would be removed.
    """
    found = []
    for partial in sorted((root or cache_root()).glob(f"*/??/.{'[0-9a-f]' * 64}-*")):
        key = partial.name[1:65]
        with suppress(Timeout), FileLock(partial.with_name(f"{key}.lock"), timeout=0):
            if partial.is_dir():  # else its build has just come to its end
                found.append(partial)
                if not dry_run:
                    shutil.rmtree(partial, ignore_errors=True)
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _verified(place: Path) -> bool:
    try:
        entry = json.loads((place / ENTRY).read_text())
        return all(file_sha256(place / name) == digest for name, digest in entry["files"].items())
    except (ValueError, KeyError, TypeError, AttributeError, FileNotFoundError):
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
