"""Removal of leftovers of dead runs; nothing of a live run is touched.

A live run holds locks, which the kernel releases when its process ends, and its containers are labelled with its process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.cache import cache_root, remove_abandoned
from harness.core.locks import HeldError, locked
from harness.errors import DockerUnavailableError, HarnessError
from harness.runners.process import FOLDER, maker_of
from harness.runners.process_handle import MARK_VARIABLE, kill_marked

if TYPE_CHECKING:
    from harness.runners.engine.client import Engine

BUILD_LOCK = "image-build.lock"  # the lock of :func:`harness.runners.images.build_context.building`


@dataclass(frozen=True)
class Reaped:
    """Result of reaping.

    Attributes:
        removed: one line per removed item; with ``dry_run``, per item that would be removed.
        notes: items that could not be checked or removed, with reasons.
    """

    removed: tuple[str, ...]
    notes: tuple[str, ...]


def reap_all(*, dry_run: bool = False) -> Reaped:
    """Remove orphaned containers, guest folders and processes, incomplete cache entries, build contexts and imports.

    Args:
        dry_run: only list them.
    """
    from harness.references.importing import remove_staged

    containers, notes = reap_containers(dry_run=dry_run)
    folders = [f"temporary folder {folder}" for folder in reap_guest_folders(dry_run=dry_run)]
    entries = [f"incomplete cache entry {folder}" for folder in remove_abandoned(dry_run=dry_run)]
    contexts = [f"image build context {file}" for file in reap_build_contexts(cache_root(), dry_run=dry_run)]
    imports = [f"staged import {folder}" for folder in remove_staged(cache_root(), dry_run=dry_run)]
    return Reaped((*containers, *folders, *entries, *contexts, *imports), tuple(notes))


def reap_containers(*, dry_run: bool = False) -> tuple[list[str], list[str]]:
    """Remove orphaned containers; return one line per container, and notes on failures."""
    from harness.runners.engine.client import Engine

    try:
        return _reap_containers(Engine.connect(), dry_run)
    except DockerUnavailableError as error:
        return [], [f"Containers were not checked, because no Docker engine answers: {str(error).splitlines()[0]}"]
    except HarnessError as error:
        return [], [f"Containers could not be listed: {error}"]


def _reap_containers(engine: Engine, dry_run: bool) -> tuple[list[str], list[str]]:
    from harness.runners.engine.reaper import DEADLINE, RUN, orphaned, owner_of

    removed, notes = [], []
    for state in engine.containers({RUN: None}):
        if orphaned(state.labels):
            try:
                if not dry_run:
                    engine.remove(state.id)
                removed.append(f"container {state.name}")
            except HarnessError as error:
                notes.append(f"The container {state.name} could not be removed: {error}")
        elif owner_of(state.labels).lives() is None:
            until = time.strftime("%Y-%m-%d %H:%M", time.localtime(int(state.labels[DEADLINE])))
            notes.append(
                f"The container {state.name} was kept, because its run cannot be checked from here (it was started before "
                f"this boot or in another container). It can be reaped after {until}, or now with `docker rm -f {state.name}`."
            )
    return removed, notes


def reap_guest_folders(*, dry_run: bool = False) -> list[Path]:
    """Kill the processes of orphaned guest folders (of the process runner), delete the folders, and return their paths."""
    return [folder for folder in sorted(_guest_folders()) if _reap_guest_folder(folder, dry_run)]


def _guest_folders() -> Iterator[Path]:
    place = Path(tempfile.gettempdir())
    yield from place.glob(f"{FOLDER}*")
    for folder in place.glob(f".{FOLDER}*"):
        owner = maker_of(folder)
        if owner is None or not owner.same_boot or owner.lives() is False:
            yield folder


def _reap_guest_folder(folder: Path, dry_run: bool) -> bool:
    """Delete an orphaned guest folder and kill its processes; return True if it was orphaned."""
    with suppress(OSError), _claimed(folder):  # OSError: it belongs to another user, or a live run holds its lock
        if not dry_run:
            kill_marked(f"{MARK_VARIABLE}={folder}".encode())
            shutil.rmtree(folder, ignore_errors=True)
        return True
    return False


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Acquire the lock of a guest folder for a ``with`` block.

    Raises:
        OSError: if a live run holds it, permission is denied, or the folder no longer exists.
    """
    hold = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(hold)


def reap_build_contexts(root: Path, *, dry_run: bool = False) -> list[Path]:
    """Delete and return build-context files of killed image builds, unless a build is running (it holds the lock).

    On file systems with anonymous temporary files there are none; elsewhere a kill may come before the name is unlinked.
    """
    if not root.is_dir():
        return []
    with suppress(HeldError, OSError), locked(root / BUILD_LOCK, wait=False):
        found = [path for path in sorted(root.glob("tmp????????")) if path.is_file()]
        for path in () if dry_run else found:
            path.unlink(missing_ok=True)
        return found
    return []
