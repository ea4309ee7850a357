"""Listing of a source directory's files. Symbolic links are followed inside the directory and rejected if they leave it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from harness.errors import PluginPackagingError

MAX_SOURCE_BYTES = 100 << 20
LEFT_OUT = frozenset({".git", ".hg", ".tox", ".nox", ".venv", "venv", "__pycache__", "node_modules", ".mypy_cache"})
LEFT_OUT_ON_TOP = frozenset({"build", "dist"})
EDITORS_LOCK = ".#"  # Emacs marks an open file with a dangling link


def source_files(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield the regular files below ``source``, sorted, as pairs of relative name and path of the content.

    Version control, environments and caches are skipped. The target of a link, file or folder, appears under the link's name.

    Raises:
        PluginPackagingError: if a link leaves the directory, dangles or forms a cycle, or the files are too large in total.
    """
    total_bytes = 0
    for name, path in _walk(source.resolve(), source.resolve(), ()):
        total_bytes += path.stat().st_size
        if total_bytes > MAX_SOURCE_BYTES:
            raise PluginPackagingError(
                f"{source} has more than {MAX_SOURCE_BYTES >> 20} MiB of files; move data out of it, or pass a wheel"
            )
        yield name, path


def _walk(folder: Path, source: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """Yield names relative to ``folder``, and paths; ``above`` are its resolved parent folders, for detecting cycles."""
    left_out = LEFT_OUT if above else LEFT_OUT | LEFT_OUT_ON_TOP
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in left_out or entry.name.endswith(".egg-info") or entry.name.startswith(EDITORS_LOCK):
            continue
        path = _followed(Path(entry.path), source) if entry.is_symlink() else Path(entry.path)
        if path.is_dir():
            if path in (*above, folder):
                raise PluginPackagingError(f"{entry.path} links to {path}, one of its parent folders. Remove the link.")
            yield from ((f"{entry.name}/{name}", place) for name, place in _walk(path, source, (*above, folder)))
        elif path.is_file():
            yield entry.name, path


def _followed(link: Path, source: Path) -> Path:
    try:
        path = link.resolve(strict=True)
    except (OSError, RuntimeError):  # Python 3.10 to 3.12 raise RuntimeError for a cycle
        raise PluginPackagingError(
            f"{link} links to {link.readlink()}, which does not exist. Remove the link, or pass a wheel."
        ) from None
    if not path.is_relative_to(source):
        raise PluginPackagingError(
            f"{link} links to {path}, which is outside {source} and is not copied. Copy it into the directory, or pass "
            "a wheel."
        )
    return path
