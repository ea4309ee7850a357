"""Removal of leftovers of dead runs; nothing of a live run is touched.

A live run holds locks, which the kernel releases when its process ends, and its containers are labelled with its process.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.core.cache import cache_root, remove_abandoned
from harness.core.locks import HeldError, locked
from harness.errors import HarnessError
from harness.plugins.discovery import find_plugins
from harness.runners.registry import RUNNERS, load_runner

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

    guests, notes = reap_guests(dry_run=dry_run)
    entries = [f"incomplete cache entry {folder}" for folder in remove_abandoned(dry_run=dry_run)]
    contexts = [f"image build context {file}" for file in reap_build_contexts(cache_root(), dry_run=dry_run)]
    imports = [f"staged import {folder}" for folder in remove_staged(cache_root(), dry_run=dry_run)]
    return Reaped((*guests, *entries, *contexts, *imports), tuple(notes))


def reap_guests(*, dry_run: bool = False) -> tuple[list[str], list[str]]:
    """Remove the guests that dead runs of every registered runner have left; return a line for each, and notes on failures."""
    removed: list[str] = []
    notes: list[str] = []
    for name in dict.fromkeys(found.name for found in find_plugins(RUNNERS)):
        try:
            gone, told = load_runner(name).reap(dry_run=dry_run)
        except HarnessError as error:
            gone, told = [], [f"Guests of the runner {name} were not checked: {error}"]
        removed += gone
        notes += told
    return removed, notes


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
