"""Removal of the folders and processes that guests of dead runs have left; see :mod:`harness.runners.process`."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.runners.process import FOLDER, maker_of, of_run
from harness.runners.process_handle import MARK_VARIABLE, kill_marked


def reap_guest_folders(*, dry_run: bool = False) -> list[Path]:
    """Kill the processes of orphaned guest folders (of the process runner), delete the folders, and return their paths."""
    return [folder for folder in sorted(_guest_folders()) if _reap_guest_folder(folder, dry_run)]


def folders_of(run_id: str) -> list[Path]:
    """Return the folders of a run's guests."""
    return sorted(Path(tempfile.gettempdir()).glob(f"{FOLDER}{glob.escape(of_run(run_id))}*"))


def remove_folder(folder: Path) -> None:
    """Kill the processes of a guest folder and delete it."""
    kill_marked(f"{MARK_VARIABLE}={folder}".encode())
    shutil.rmtree(folder, ignore_errors=True)


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
            remove_folder(folder)
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
