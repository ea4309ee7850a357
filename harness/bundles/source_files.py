"""The files of a source directory, with one rule for links: inside the directory they are followed, outside they are refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from harness.errors import PluginPackagingError

MAX_SOURCE_BYTES = 100 << 20
LEFT_OUT = frozenset({".git", ".hg", ".tox", ".nox", ".venv", "venv", "__pycache__", "node_modules", ".mypy_cache"})
LEFT_OUT_ON_TOP = frozenset({"build", "dist"})
EDITORS_LOCK = ".#"  # Emacs marks an open file by a link to nowhere


def source_files(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield the plain files below ``source``, sorted: the name in the directory, and where the content is.

    Version control, environments and caches are left out. A link is what it leads to, file or folder, under the link's name.

    Raises:
        PluginPackagingError: a link leads out of the directory, to nowhere or in a circle, or the files are too big together.
    """
    total_bytes = 0
    for name, path in _walk(source.resolve(), source.resolve(), ()):
        total_bytes += path.stat().st_size
        if total_bytes > MAX_SOURCE_BYTES:
            raise PluginPackagingError(
                f"{source} holds more than {MAX_SOURCE_BYTES >> 20} MiB; move data out of it, or give a wheel"
            )
        yield name, path


def _walk(folder: Path, source: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """Yield names relative to ``folder``; ``above`` are the real folders that it is in."""
    left_out = LEFT_OUT if above else LEFT_OUT | LEFT_OUT_ON_TOP
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in left_out or entry.name.endswith(".egg-info") or entry.name.startswith(EDITORS_LOCK):
            continue
        path = _followed(Path(entry.path), source) if entry.is_symlink() else Path(entry.path)
        if path.is_dir():
            if path in (*above, folder):
                raise PluginPackagingError(
                    f"{entry.path} is a link to {path}, a folder that it is in. Remove the link."
                )
            yield from ((f"{entry.name}/{name}", place) for name, place in _walk(path, source, (*above, folder)))
        elif path.is_file():
            yield entry.name, path


def _followed(link: Path, source: Path) -> Path:
    try:
        path = link.resolve(strict=True)
    except (OSError, RuntimeError):  # Python 3.10 to 3.12 raise RuntimeError for a circle
        raise PluginPackagingError(
            f"{link} is a link to {link.readlink()}, where nothing is. Remove it, or give a wheel."
        ) from None
    if not path.is_relative_to(source):
        raise PluginPackagingError(
            f"{link} is a link to {path}, outside {source}: what is there does not travel. Copy it into the directory, or "
            "give a wheel."
        )
    return path
