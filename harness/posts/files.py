"""Files of the program on a node, known by their content: no shared disk is needed, and one that is shared is used."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from harness.core.cache import cache_root, file_sha256

PIECE_BYTES = 64 << 20


class Files:
    """The files that a node has, by their SHA-256.

    Args:
        folder: where files are kept that came over the network; default: in the node's cache.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_root() / "posts"
        self._found: dict[str, Path] = {}

    def has(self, digest: str, path: str) -> bool:
        """Return True if a file's content is here: at its path on the program's machine, or kept."""
        for place in (Path(path), self._folder / digest):
            if place.is_file() and file_sha256(place) == digest:
                self._found[digest] = place
                return True
        return False

    def put(self, digest: str, name: str, data: bytes, *, last: bool) -> None:
        """Append a piece to a file that arrives under a name of its own; check and keep it if this was the last piece.

        Raises:
            OSError: the content is another, or cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{name}"
        with partial.open("ab") as file:
            file.write(data)
        if last:
            if file_sha256(partial) != digest:
                partial.unlink()
                raise OSError(f"The file {digest[:12]} was changed on its way to this node.")
            partial.rename(self._folder / digest)
            self._found[digest] = self._folder / digest

    def path(self, digest: str) -> Path:
        """Return the path of a file that was found or put."""
        return self._found[digest]

    def drop(self, digest: str) -> None:
        """Delete a file if it came over the network."""
        place = self._found.pop(digest, None)
        if place is not None and place.parent == self._folder:
            place.unlink(missing_ok=True)


def send(
    path: Path, has: Callable[[str, str], bool], put: Callable[[str, str, bytes, bool], None], digest: str | None = None
) -> str:
    """Send a file to a node in pieces unless it has its content; return the SHA-256."""
    digest = digest or file_sha256(path)
    if has(digest, str(path)):
        return digest
    name, left = f"{digest}-{secrets.token_hex(4)}", path.stat().st_size
    with path.open("rb") as file:
        while True:
            data = file.read(PIECE_BYTES)
            left -= len(data)
            put(digest, name, data, left <= 0)
            if left <= 0:
                return digest
