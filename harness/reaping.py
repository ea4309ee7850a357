"""What runs that are dead have left on this machine, and its removal; nothing of a living run is ever touched.

A living run holds locks, which the kernel ends with its process however it ends, and its containers name its process.
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

from harness.cache import cache_root, remove_abandoned
from harness.errors import DockerUnavailableError, HarnessError
from harness.locks import HeldError, locked
from harness.runners.process_handle import MARK_VARIABLE, kill_marked
from harness.runners.process_runner import FOLDER, maker_of

if TYPE_CHECKING:
    from harness.runners.engine import Engine

BUILD_LOCK = "image-build.lock"  # that of :func:`harness.runners.build_context.building`


@dataclass(frozen=True)
class Reaped:
    """What was found.

    Attributes:
        removed: one line for each thing that was removed, or would be.
        notes: what could not be looked at or removed, and why.
    """

    removed: tuple[str, ...]
    notes: tuple[str, ...]


def reap_all(*, dry_run: bool = False) -> Reaped:
    """Remove what dead runs have left: containers, guests' folders and processes, half-built cache entries.

    Args:
        dry_run: only tell what would be removed.
    """
    containers, notes = reap_containers(dry_run=dry_run)
    folders = [f"temporary folder {folder}" for folder in reap_guest_folders(dry_run=dry_run)]
    entries = [f"half-built cache entry {folder}" for folder in remove_abandoned(dry_run=dry_run)]
    contexts = [f"image build context {file}" for file in reap_build_contexts(cache_root(), dry_run=dry_run)]
    return Reaped((*containers, *folders, *entries, *contexts), tuple(notes))


def reap_containers(*, dry_run: bool = False) -> tuple[list[str], list[str]]:
    """Containers of dead runs, removed; and notes on those that were left."""
    from harness.runners.engine import Engine

    try:
        return _reap_containers(Engine.connect(), dry_run)
    except DockerUnavailableError as error:
        return [], [f"Containers were not looked for, since no Docker engine answers: {str(error).splitlines()[0]}"]
    except HarnessError as error:
        return [], [f"Containers could not be listed: {error}"]


def _reap_containers(engine: Engine, dry_run: bool) -> tuple[list[str], list[str]]:
    from harness.runners.reaper import DEADLINE, RUN, orphaned, owner_of

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
                f"The container {state.name} was left: whether its run lives cannot be seen from here (it began before this "
                f"boot or in another container). It is removed after {until}; `docker rm -f {state.name}` does so now."
            )
    return removed, notes


def reap_guest_folders(*, dry_run: bool = False) -> list[Path]:
    """Temporary folders of guests that ran without a container, removed, after whatever still runs in them was killed."""
    return [folder for folder in sorted(_guest_folders()) if _reap_guest_folder(folder, dry_run)]


def _guest_folders() -> Iterator[Path]:
    place = Path(tempfile.gettempdir())
    yield from place.glob(f"{FOLDER}*")
    for folder in place.glob(f".{FOLDER}*"):
        owner = maker_of(folder)
        if owner is None or not owner.same_boot or owner.lives() is False:
            yield folder


def _reap_guest_folder(folder: Path, dry_run: bool) -> bool:
    """Whether the folder is nobody's."""
    with suppress(OSError), _claimed(folder):  # else it is another user's, or its run lives and holds it
        if not dry_run:
            kill_marked(f"{MARK_VARIABLE}={folder}".encode())
            shutil.rmtree(folder, ignore_errors=True)
        return True
    return False


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Hold the lock of a guest's folder.

    Raises:
        OSError: its run holds it, it may not be opened, or it is gone.
    """
    hold = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(hold)


def reap_build_contexts(root: Path, *, dry_run: bool = False) -> list[Path]:
    """Files that image builds have left in the cache directory, removed; one under way holds the builds' lock.

    Such a file has no name where the file system can do without; elsewhere a kill may come before its name is taken away.
    """
    if not root.is_dir():
        return []
    with suppress(HeldError, OSError), locked(root / BUILD_LOCK, wait=False):
        found = [path for path in sorted(root.glob("tmp????????")) if path.is_file()]
        for path in () if dry_run else found:
            path.unlink(missing_ok=True)
        return found
    return []
