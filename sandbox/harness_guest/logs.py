"""Bounded capture of a plugin's output: first bytes, last bytes, and the number dropped in between."""

from __future__ import annotations

from collections.abc import Iterator


class LogKeeper:
    """A splitter of a stream into a head, forwarded immediately, and a tail, available at the end.

    Args:
        head_bytes: number of first bytes to keep.
        tail_bytes: number of last bytes to keep.
    """

    def __init__(self, head_bytes: int, tail_bytes: int) -> None:
        self._head_left = head_bytes
        self._tail_bytes = tail_bytes
        self._tail = bytearray()
        self.dropped_bytes = 0

    def take(self, chunk: bytes) -> bytes:
        """Append the next bytes of the stream; return those that belong to the head, to be forwarded now."""
        head, rest = chunk[: self._head_left], chunk[self._head_left :]
        self._head_left -= len(head)
        self._tail += rest
        excess = len(self._tail) - self._tail_bytes
        if excess > 0:
            del self._tail[:excess]
            self.dropped_bytes += excess
        return head

    def tail(self, chunk_bytes: int) -> Iterator[tuple[int, bytes]]:
        """Return the last bytes in chunks, each with the number of bytes dropped before it."""
        dropped = self.dropped_bytes
        for start in range(0, len(self._tail), chunk_bytes):
            yield dropped, bytes(self._tail[start : start + chunk_bytes])
            dropped = 0
