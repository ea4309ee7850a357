"""A content-addressed cache on disk, verified on read and safe against concurrent processes and kills.

An entry is a folder named by the SHA-256 of everything that its content depends on. It is built under a temporary name in the
same folder and renamed when it is complete. Its ``entry.json`` holds the key's inputs and the SHA-256 of every file. To remove
an entry, it is renamed first, then deleted. So no reader sees a partial entry, not even on another host, on a network file
system with locks that work on one host only. Temporary names begin with the boot id of their host. A temporary folder of
another boot is left alone until it is a day old.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import platformdirs

from harness.core.hardware import boot_id
from harness.core.locks import HeldError, NoLocksError, locked
from harness.errors import CacheError, NoSpaceError

ENTRY = "entry.json"
ENVIRONMENT_VARIABLE = "HARNESS_CACHE_DIR"
ABANDONED_S = 86_400.0
"""Age at which a partial entry of another boot or host counts as orphaned, seconds."""
NEVER_READABLE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)

_unreported: list[str] = []


def take_rebuilt() -> list[str]:
    """Return a sentence for each damaged entry of any kind that this process found since the last call."""
    notices = [f"The cache entry {name} was damaged; it was removed and is rebuilt." for name in _unreported]
    del _unreported[: len(notices)]
    return notices


def cache_root() -> Path:
    """Return the cache directory: ``$HARNESS_CACHE_DIR``, else the user's cache directory of this platform."""
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("unlearning-harness")


def key_of(inputs: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the inputs' canonical JSON."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, allow_nan=False).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in chunks."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            sha.update(chunk)
    return sha.hexdigest()


def cache_error(folder: Path, error: OSError) -> CacheError | NoSpaceError:
    """Convert a file system error below ``folder`` of the cache into an error with advice for the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(
            f"There is no space left for the cache under {folder}. Free some space (`harness references prune`), or set "
            f"{ENVIRONMENT_VARIABLE} to a folder on another disk. Finished work is kept."
        )
    if isinstance(error, NoLocksError):
        return CacheError(
            f"The cache under {folder} cannot be used: {error.strerror}. Without locks, two processes would damage "
            f"each other's entries. Set {ENVIRONMENT_VARIABLE} to a folder on a local disk."
        )
    return CacheError(
        f"The cache under {folder} cannot be used: {error}. Set {ENVIRONMENT_VARIABLE} to a writable folder."
    )


@dataclass(frozen=True)
class CacheEntry:
    """A cache entry, as listed.

    Attributes:
        key: SHA-256 of its inputs.
        path: its folder.
        inputs: values that the key was computed from; empty if ``entry.json`` is damaged.
        size_bytes: total size of its files.
        used: time of the last read or write, UTC.
    """

    key: str
    path: Path
    inputs: Mapping[str, Any]
    size_bytes: int
    used: datetime


class Cache:
    """The cache entries of one kind, in a subfolder of :func:`cache_root`."""

    def __init__(self, kind: str, root: Path | None = None) -> None:
        self.root = root or cache_root()
        self._folder = self.root / kind

    def get_or_build(
        self,
        inputs: Mapping[str, Any],
        build: Callable[[Path], None],
        out_of_date: Callable[[Path], bool] = lambda _folder: False,
    ) -> tuple[Path, bool]:
        """Return the folder of the entry for ``inputs``; call ``build(folder)`` on a cache miss.

        A damaged entry, or one that is ``out_of_date``, is rebuilt. A second process that requests the same entry waits for the
        first and uses its result.

        Returns:
            the entry's folder, and True on a cache hit.

        Raises:
            CacheError: the cache directory cannot be used.
            NoSpaceError: the disk is full; no partial entry is left.
        """
        place = self.place(inputs)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with locked(place.with_suffix(".lock")):
                if self._usable(place):
                    if not out_of_date(place):
                        with suppress(PermissionError):  # an entry of another user can still be read
                            os.utime(place / ENTRY)
                        return place, True
                    _discard(place)
                self._build(inputs, place, build)
                return place, False
        except OSError as error:
            raise cache_error(self._folder, error) from error

    def holds(self, inputs: Mapping[str, Any]) -> bool:
        """Return True if there is an entry for ``inputs``; its content is not verified."""
        return (self.place(inputs) / ENTRY).is_file()

    def place(self, inputs: Mapping[str, Any]) -> Path:
        """Return the folder of the entry for ``inputs``, whether it exists or not."""
        key = key_of(inputs)
        return self._folder / key[:2] / key

    def _usable(self, place: Path) -> bool:
        """Return True if the entry exists and all checksums match; remove and record a damaged entry."""
        if not place.exists():
            return False
        if _verified(place):
            return True
        _unreported.append(f"{self._folder.name}/{place.name[:12]}")
        _discard(place)
        return False

    def _build(self, inputs: Mapping[str, Any], place: Path, build: Callable[[Path], None]) -> None:
        for leftover in place.parent.glob(f".{place.name}-*"):
            if _abandoned(leftover):  # its process was killed, since this process now holds the lock
                shutil.rmtree(leftover, ignore_errors=True)  # an orphaned worker may still write for a moment
        folder = _temporary(place)
        folder.mkdir()
        try:
            build(folder)
            files = {str(path.relative_to(folder)): file_sha256(path) for path in _files(folder)}
            for path in _files(folder):
                _sync(path)
            (folder / ENTRY).write_text(json.dumps({"inputs": dict(inputs), "files": files}, indent=2, allow_nan=False))
            _sync(folder / ENTRY)
            self._put(folder, place)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _put(self, folder: Path, place: Path) -> None:
        """Rename a complete entry to its final name; keep the entry of a faster host that does not share our locks."""
        try:
            folder.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if not _verified(place):
                _discard(place)
                folder.rename(place)
            shutil.rmtree(folder, ignore_errors=True)
        _sync(place.parent)

    def entries(self) -> Iterator[CacheEntry]:
        """Yield all entries without verifying them, least recently used first."""
        found = []
        for path in self._folder.glob(f"*/*/{ENTRY}"):
            try:
                inputs = dict(json.loads(path.read_bytes())["inputs"])
            except Exception:  # a damaged entry may raise anything, and must still be listed and removable
                inputs = {}
            try:
                size = sum(file.stat().st_size for file in _files(path.parent))
                used = datetime.fromtimestamp(path.stat().st_mtime, tz=timezone.utc)
            except FileNotFoundError:
                continue  # removed by another process after it was listed
            found.append(CacheEntry(path.parent.name, path.parent, inputs, size, used))
        yield from sorted(found, key=lambda entry: entry.used)

    def remove(self, entry: CacheEntry) -> None:
        """Remove an entry; a process that is reading it keeps its open files.

        Raises:
            CacheError: the entry cannot be removed.
        """
        try:
            with locked(entry.path.with_suffix(".lock")):
                _discard(entry.path)
        except OSError as error:
            raise cache_error(self._folder, error) from error


def remove_abandoned(root: Path | None = None, *, dry_run: bool = False) -> list[Path]:
    """Remove partial entries of any kind left by killed builds; return their folders.

    The folder of a running build is skipped: its entry's lock is held.

    Args:
        root: the cache directory; None for :func:`cache_root`.
        dry_run: return the folders without removing them.
    """
    found = []
    for partial in sorted((root or cache_root()).glob(f"*/??/.{'[0-9a-f]' * 64}-*")):
        key = partial.name[1:65]
        with suppress(HeldError, OSError), locked(partial.with_name(f"{key}.lock"), wait=False):
            if partial.is_dir() and _abandoned(partial):  # else its build has just finished
                found.append(partial)
                if not dry_run:
                    shutil.rmtree(partial, ignore_errors=True)
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _verified(place: Path) -> bool:
    """Return True if the entry's inputs match its key and every file matches its checksum.

    Raises:
        OSError: a file exists and cannot be read.
    """
    try:
        entry = json.loads((place / ENTRY).read_bytes())
        return key_of(entry["inputs"]) == place.name and all(
            file_sha256(place / name) == digest for name, digest in entry["files"].items()
        )
    except NEVER_READABLE:
        return False
    except OSError:
        raise
    except Exception:  # a damaged entry.json may hold anything
        return False


def _temporary(place: Path) -> Path:
    """Return a new hidden name in the entry's folder that contains this host's boot id."""
    return place.with_name(f".{place.name}-{boot_id()[:8]}-{secrets.token_hex(6)}")


def _abandoned(partial: Path) -> bool:
    """Return True if a temporary folder is orphaned; the caller must hold its entry's lock.

    A running build on this boot would hold the lock. A build of another boot may still run on another host, so its age decides.
    The age is measured by the file system's own clock, with a file created now.
    """
    if partial.name[66:].startswith(f"{boot_id()[:8]}-"):
        return True
    probe = partial.with_name(f".{secrets.token_hex(6)}.age")
    try:
        probe.touch()
        last = max(path.stat().st_mtime for path in (partial, *partial.rglob("*")))
        return probe.stat().st_mtime - last > ABANDONED_S
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)


def _discard(place: Path) -> None:
    """Remove an entry atomically for readers: rename it first, then delete it."""
    away = _temporary(place)
    with suppress(FileNotFoundError):
        place.rename(away)
        shutil.rmtree(away, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
