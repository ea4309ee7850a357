"""The guest's end of the connection to the host."""

from __future__ import annotations

import mmap
import os
import select
from collections import deque

from harness_guest.linux import memory_file, seal
from harness_guest.protocol import HEADER, Kind, ProtocolError, decode_header, decode_json, encode_json, header

CHUNK_BYTES = 1 << 20


class HostGoneError(Exception):
    """The host closed the connection or violated the protocol; the guest exits."""


class Wire:
    """Frames over two descriptors, with optional non-blocking sends.

    Args:
        read_fd: bytes from the host.
        write_fd: bytes to the host.
        max_weights_bytes: limit on a WEIGHTS frame from the host.
    """

    def __init__(self, read_fd: int, write_fd: int, max_weights_bytes: int = 1 << 40) -> None:
        self.read_fd, self.write_fd = read_fd, write_fd
        self._max_weights_bytes = max_weights_bytes
        self._outbox: deque[memoryview] = deque()
        os.set_blocking(write_fd, False)

    def receive(self) -> tuple[Kind, bytes]:
        """Wait for the next frame and return it.

        Raises:
            HostGoneError: the stream ended.
            ProtocolError: the bytes are not a frame.
        """
        kind, length = decode_header(bytes(self._read(HEADER.size)))
        if length > self._max_weights_bytes:
            raise ProtocolError(f"a {kind.name} frame of {length} bytes")
        return kind, bytes(self._read(length))

    def receive_json(self, expected: Kind) -> dict[str, object]:
        """Return the object of the next frame, which must be of the ``expected`` kind."""
        kind, payload = self.receive()
        if kind is not expected:
            raise ProtocolError(f"{kind.name} came where {expected.name} was due")
        return decode_json(payload)

    def receive_file(self, expected: Kind, n_bytes: int | None = None) -> int:
        """Receive the next frame's payload into a sealed file in memory and return its descriptor.

        The payload never enters this process's own memory, which later forks inherit.

        Args:
            expected: kind of the frame.
            n_bytes: its length; None for any.
        """
        kind, length = decode_header(bytes(self._read(HEADER.size)))
        if kind is not expected or length != (n_bytes or length) or not 0 < length <= self._max_weights_bytes:
            raise ProtocolError(f"{kind.name} of {length} bytes came where {expected.name} was due")
        fd = memory_file(expected.name.lower(), length)
        with mmap.mmap(fd, length) as memory, memoryview(memory) as view:
            received = 0
            while received < length:
                select.select([self.read_fd], [], [])
                with view[received : received + CHUNK_BYTES] as rest:
                    count = os.readv(self.read_fd, [rest])
                if not count:
                    raise HostGoneError("the host closed the connection")
                received += count
        seal(fd)
        return fd

    def post(self, kind: Kind, payload: bytes | bytearray) -> None:
        """Queue a frame, to be sent by :meth:`push` or :meth:`flush`."""
        self._outbox.append(memoryview(header(kind, len(payload))))
        if payload:
            self._outbox.append(memoryview(payload))

    def send_json(self, kind: Kind, value: object) -> None:
        """Flush the queue, then send this frame; wait until the host has received both."""
        self._outbox.append(memoryview(encode_json(kind, value)))
        self.flush()

    @property
    def pending(self) -> bool:
        """Return True if bytes are queued for the host."""
        return bool(self._outbox)

    def push(self) -> None:
        """Send as much as possible without blocking."""
        while self._outbox:
            try:
                sent = os.write(self.write_fd, self._outbox[0][:CHUNK_BYTES])
            except BlockingIOError:
                return
            except BrokenPipeError:
                raise HostGoneError("the host stopped reading") from None
            if sent == len(self._outbox[0]):
                self._outbox.popleft()
            else:
                self._outbox[0] = self._outbox[0][sent:]

    def flush(self) -> None:
        """Send all queued bytes; wait until the host has received them."""
        while self._outbox:
            select.select([], [self.write_fd], [])
            self.push()

    def _read(self, n_bytes: int) -> bytearray:
        received = bytearray()
        while len(received) < n_bytes:
            select.select([self.read_fd], [], [])
            chunk = os.read(self.read_fd, min(CHUNK_BYTES, n_bytes - len(received)))
            if not chunk:
                raise HostGoneError("the host closed the connection")
            received += chunk
        return received
