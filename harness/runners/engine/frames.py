"""Demultiplexer of an attached connection: stdout and stderr in frames with 8-byte headers."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

HEADER = struct.Struct(">BxxxL")
STDOUT, STDERR = 1, 2
STDERR_KEPT_BYTES = 8192


@dataclass
class Demultiplexer:
    """Incremental parser of chunks of any size; it returns the first stream and keeps the end of the second.

    Attributes:
        stderr: the last :data:`STDERR_KEPT_BYTES` of the second stream.
    """

    stderr: bytearray = field(default_factory=bytearray)
    _header: bytearray = field(default_factory=bytearray)
    _stream: int = STDOUT
    _left: int = 0

    def feed(self, data: bytes) -> bytes:
        """Return the first stream's bytes among ``data``, without buffering.

        Raises:
            ValueError: the framing is malformed.
        """
        view = memoryview(data)
        pieces: list[memoryview] = []
        while view:
            if self._left == 0:
                view = self._take_header(view)
                continue
            piece, view = view[: self._left], view[self._left :]
            self._left -= len(piece)
            if self._stream == STDOUT:
                pieces.append(piece)
            else:
                self._keep(piece)
        return b"".join(pieces)

    def _take_header(self, view: memoryview) -> memoryview:
        missing = HEADER.size - len(self._header)
        self._header += view[:missing]
        if len(self._header) == HEADER.size:
            self._stream, self._left = HEADER.unpack(self._header)
            self._header.clear()
            if self._stream not in (STDOUT, STDERR):
                raise ValueError(f"the engine sent a frame of stream {self._stream}")
        return view[missing:]

    def _keep(self, piece: memoryview) -> None:
        self.stderr += piece[-STDERR_KEPT_BYTES:]
        del self.stderr[:-STDERR_KEPT_BYTES]
