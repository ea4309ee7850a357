"""The guest's end of the conversation with the host."""

from __future__ import annotations

import mmap
import os
import select
from collections import deque

from harness_guest.linux import memory_file, seal
from harness_guest.protocol import HEADER, Kind, ProtocolError, decode_header, decode_json, encode_json, header

CHUNK_BYTES = 1 << 20


class HostGoneError(Exception):
    """The host closed the conversation or spoke out of turn; the guest has nothing left to do."""


class Wire:
    """Frames over two descriptors, sent without waiting where that is asked for.

    Args:
        read_fd: bytes from the host.
        write_fd: bytes to the host.
        max_weights_bytes: no WEIGHTS frame from the host may be longer.
    """

    def __init__(self, read_fd: int, write_fd: int, max_weights_bytes: int = 1 << 40) -> None:
        self.read_fd, self.write_fd = read_fd, write_fd
        self._max_weights_bytes = max_weights_bytes
        self._outbox: deque[memoryview] = deque()
        os.set_blocking(write_fd, False)

    def receive(self) -> tuple[Kind, bytes]:
        """The next frame; waits for it.

        Raises:
            HostGoneError: the stream ended.
            ProtocolError: the bytes are no frame.
        """
        kind, length = decode_header(bytes(self._read(HEADER.size)))
        if length > self._max_weights_bytes:
            raise ProtocolError(f"a {kind.name} frame of {length} bytes")
        return kind, bytes(self._read(length))

    def receive_json(self, expected: Kind) -> dict[str, object]:
        """The next frame's object, which must be of the ``expected`` kind."""
        kind, payload = self.receive()
        if kind is not expected:
            raise ProtocolError(f"{kind.name} came where {expected.name} was due")
        return decode_json(payload)

    def receive_file(self, expected: Kind, n_bytes: int | None = None) -> int:
        """Receive the next frame's payload into a sealed file in memory and return its descriptor.

        No byte of it enters this process's own memory, which processes that are forked later inherit.

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
                    raise HostGoneError("the host closed the conversation")
                received += count
        seal(fd)
        return fd

    def post(self, kind: Kind, payload: bytes | bytearray) -> None:
        """Queue a frame; :meth:`push` or :meth:`flush` send it."""
        self._outbox.append(memoryview(header(kind, len(payload))))
        if payload:
            self._outbox.append(memoryview(payload))

    def send_json(self, kind: Kind, value: object) -> None:
        """Send everything queued and then this frame; waits until the host has taken them."""
        self._outbox.append(memoryview(encode_json(kind, value)))
        self.flush()

    @property
    def pending(self) -> bool:
        """Whether queued bytes wait for the host."""
        return bool(self._outbox)

    def push(self) -> None:
        """Send what the host takes now, without waiting."""
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
        """Send all that is queued; waits until the host has taken it."""
        while self._outbox:
            select.select([], [self.write_fd], [])
            self.push()

    def _read(self, n_bytes: int) -> bytearray:
        received = bytearray()
        while len(received) < n_bytes:
            select.select([self.read_fd], [], [])
            chunk = os.read(self.read_fd, min(CHUNK_BYTES, n_bytes - len(received)))
            if not chunk:
                raise HostGoneError("the host closed the conversation")
            received += chunk
        return received
