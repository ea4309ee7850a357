"""Frames over a guest's two streams, with a deadline for every wait."""

from __future__ import annotations

import mmap
import select
from collections.abc import Callable
from pathlib import Path

from harness.runners.base import GuestHandle
from harness_guest.protocol import HEADER, Kind, ProtocolError, decode_header, header

CHUNK_BYTES = 1 << 20
MAX_WAIT_S = 0.5
TO_GUEST = frozenset({Kind.HELLO, Kind.MODEL, Kind.START, Kind.BYE, Kind.DATA, Kind.JOURNAL})
"""Frames that a guest never sends; some may be of any length."""


class GuestGoneError(Exception):
    """The guest closed its stream or stopped reading: it is dead or dying."""


class DeadlineError(Exception):
    """The deadline passed before all bytes arrived."""


class Channel:
    """The host's end of the conversation with one guest.

    Args:
        handle: the guest.
        clock: monotonic seconds.
        max_weights_bytes: a longer WEIGHTS frame is a protocol violation.
    """

    def __init__(self, handle: GuestHandle, clock: Callable[[], float], max_weights_bytes: int) -> None:
        self._handle = handle
        self._clock = clock
        self._max_weights_bytes = max_weights_bytes

    def send(self, deadline_s: float | None, *parts: bytes | mmap.mmap) -> None:
        """Send bytes; wait until the guest's stream has taken them.

        Raises:
            GuestGoneError: the guest no longer reads.
            DeadlineError: the clock passed ``deadline_s``.
        """
        for part in parts:
            with memoryview(part) as view:
                sent = 0
                while sent < len(view):
                    with view[sent : sent + CHUNK_BYTES] as chunk:
                        taken = self._write(chunk)
                    sent += taken
                    if not taken:
                        self._wait(self._handle.write_fd, select.POLLOUT, deadline_s)

    def send_file(self, deadline_s: float | None, kind: Kind, path: Path) -> None:
        """Send a file's content as a frame without loading it into memory.

        Raises:
            GuestGoneError, DeadlineError: as :meth:`send`.
        """
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            self.send(deadline_s, header(kind, len(content)), content)

    def receive(self, deadline_s: float | None) -> tuple[Kind, bytearray]:
        """Return the next frame.

        Raises:
            GuestGoneError: the stream ended.
            DeadlineError: the clock passed ``deadline_s``.
            ProtocolError: the bytes are not a frame, or the frame is too long or of a kind that only the host sends.
        """
        kind, length = decode_header(bytes(self._read(HEADER.size, deadline_s)))
        if kind in TO_GUEST:
            raise ProtocolError(f"{kind.name} came from the guest")
        if kind is Kind.WEIGHTS and length > self._max_weights_bytes:
            raise ProtocolError(
                f"the guest announced {length} bytes of weights; at most {self._max_weights_bytes} are due"
            )
        return kind, self._read(length, deadline_s)

    def _read(self, n_bytes: int, deadline_s: float | None) -> bytearray:
        received = bytearray()
        while len(received) < n_bytes:
            self._check(deadline_s)
            chunk = self._read_some(n_bytes - len(received))
            if chunk is None:
                self._wait(self._handle.read_fd, select.POLLIN, deadline_s)
            elif not chunk:
                raise GuestGoneError("the guest closed its stream")
            else:
                received += chunk
        return received

    def _read_some(self, n_bytes: int) -> bytes | None:
        try:
            return self._handle.read(min(CHUNK_BYTES, n_bytes))
        except OSError as error:
            raise GuestGoneError(f"the guest's stream broke: {error}") from error

    def _write(self, data: memoryview) -> int:
        try:
            return self._handle.write(data)
        except OSError as error:
            raise GuestGoneError(f"the guest stopped reading: {error}") from error

    def _check(self, deadline_s: float | None) -> float:
        left_s = MAX_WAIT_S if deadline_s is None else deadline_s - self._clock()
        if left_s <= 0:
            raise DeadlineError
        return left_s

    def _wait(self, fd: int, event: int, deadline_s: float | None) -> None:
        left_s = self._check(deadline_s)
        poll = select.poll()
        poll.register(fd, event)
        poll.poll(1 + 1000 * min(left_s, MAX_WAIT_S))
