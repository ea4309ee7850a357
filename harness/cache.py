"""A content-addressed cache on disk: verified on read, safe against two processes and against a kill at any moment.

An entry is a folder named by the SHA-256 of everything its content depends on. It is built under a temporary name beside its
place and renamed when it is whole; ``entry.json`` in it holds the key's inputs and the SHA-256 of every file. An entry is removed
by the same way: renamed first. So no half of one is seen even by another host, on a network file system whose locks hold on
one host alone: temporary names begin with their host's boot, and one of another boot is left alone until it is a day old.
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

from harness.errors import CacheError, NoSpaceError
from harness.hardware import boot_id
from harness.locks import HeldError, NoLocksError, locked

ENTRY = "entry.json"
ENVIRONMENT_VARIABLE = "HARNESS_CACHE_DIR"
ABANDONED_S = 86_400.0
"""Age from which on what another boot or host was building is taken for abandoned, seconds."""
NEVER_READABLE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)

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


def cache_error(folder: Path, error: OSError) -> CacheError | NoSpaceError:
    """Return the error to raise for one of the file system's below ``folder`` of the cache, with what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(
            f"No space left for the cache under {folder}. Free some (`harness references prune`), or set "
            f"{ENVIRONMENT_VARIABLE} to a folder on another disk. What was finished is kept."
        )
    if isinstance(error, NoLocksError):
        return CacheError(
            f"The cache under {folder} cannot be used: {error.strerror}, and without them two processes would damage "
            f"each other's entries. Set {ENVIRONMENT_VARIABLE} to a folder on a local disk."
        )
    return CacheError(
        f"The cache under {folder} cannot be used: {error}. Set {ENVIRONMENT_VARIABLE} to a folder that you may write."
    )


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
            with locked(place.with_suffix(".lock")):
                if self._sound(place):
                    if not out_of_date(place):
                        with suppress(PermissionError):  # an entry that another user made is used all the same
                            os.utime(place / ENTRY)
                        return place, True
                    _discard(place)
                self._build(inputs, place, build)
                return place, False
        except OSError as error:
            raise cache_error(self._folder, error) from error

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
        _discard(place)
        return False

    def _build(self, inputs: Mapping[str, Any], place: Path, build: Callable[[Path], None]) -> None:
        for leftover in place.parent.glob(f".{place.name}-*"):
            if _abandoned(leftover):  # by a killed process; the lock is ours now
                shutil.rmtree(leftover, ignore_errors=True)  # its orphaned worker may write on for a moment
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
        """Give a whole entry its name, unless a host that does not see our locks was faster: then its entry counts."""
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
        """All entries, whole or not verified, oldest use first."""
        found = []
        for path in self._folder.glob(f"*/*/{ENTRY}"):
            try:
                inputs = dict(json.loads(path.read_bytes())["inputs"])
            except Exception:  # whatever a damaged one makes its readers raise, it can be listed and removed
                inputs = {}
            try:
                size = sum(file.stat().st_size for file in _files(path.parent))
                used = datetime.fromtimestamp(path.stat().st_mtime, tz=timezone.utc)
            except FileNotFoundError:
                continue  # removed by another process since it was listed
            found.append(CacheEntry(path.parent.name, path.parent, inputs, size, used))
        yield from sorted(found, key=lambda entry: entry.used)

    def remove(self, entry: CacheEntry) -> None:
        """Remove one entry; another process that is just reading it has its files open and goes on."""
        try:
            with locked(entry.path.with_suffix(".lock")):
                _discard(entry.path)
        except OSError as error:
            raise cache_error(self._folder, error) from error


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
        with suppress(HeldError, OSError), locked(partial.with_name(f"{key}.lock"), wait=False):
            if partial.is_dir() and _abandoned(partial):  # else its build has just come to its end
                found.append(partial)
                if not dry_run:
                    shutil.rmtree(partial, ignore_errors=True)
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _verified(place: Path) -> bool:
    """Return True if the entry is that of its key and all of its files are as they were written.

    Raises:
        OSError: a file is there and cannot be read.
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
    """Return a new hidden name beside an entry, which says on which boot it was given."""
    return place.with_name(f".{place.name}-{boot_id()[:8]}-{secrets.token_hex(6)}")


def _abandoned(partial: Path) -> bool:
    """Return whether nobody works in a temporary folder, whose entry's lock is held by this process.

    A build of this boot would hold the lock. One of another may go on, on another host, and is judged by its age; ages are
    told by the file system's own clock, from a file that is made now.
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
    """Remove an entry at once for all who look: its name is taken away first."""
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
