"""The user's end of ``harness shell``: bytes between their terminal and a guest's, until the program inside has ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from harness.runners.base import GuestHandle
from harness.runners.channel import Channel
from harness.text import harmless_bytes
from harness_guest.protocol import Job, Kind, ProtocolError, Shell, decode_json, encode, encode_json, header

TYPED_BYTES = 1 << 12
FRAME_S = 30.0
"""A guest that has begun a frame, or is sent one, and takes longer than this is broken."""
IN, OUT, ERROR = 0, 1, 2


class Screen(Protocol):
    """Where a shell is seen and typed to."""

    @property
    def typed_fd(self) -> int | None:
        """A descriptor that what is typed can be read from; None where nothing is."""

    @property
    def resized_fd(self) -> int | None:
        """A descriptor that becomes readable when the size has changed; None where there is none."""

    def show(self, stream: int, data: bytes) -> None:
        """Show what the program wrote to its output (1) or error (2) stream.

        Raises:
            OSError: nobody looks any more.
        """

    def size(self) -> tuple[int, int]:
        """Rows and columns."""


@dataclass(frozen=True)
class ShellEnd:
    """How a shell ended.

    Attributes:
        status: exit status, 128 + signal where a signal ended it.
        out_of_memory: the limit on memory struck while it ran.
    """

    status: int
    out_of_memory: bool


def converse(
    handle: GuestHandle,
    channel: Channel,
    shell: Shell,
    job: Job,
    original: bytes,
    screen: Screen,
    clock: Callable[[], float],
    journal: Path | None = None,
) -> ShellEnd:
    """Start a shell in a guest that is ready, and carry bytes until it has ended.

    Args:
        handle, channel: the guest.
        shell, job, original, journal: what it is given; ``journal`` is a file, None where there is none.
        screen: where the user is.
        clock: monotonic seconds.

    Raises:
        GuestGoneError, DeadlineError: the guest died or hangs.
        ProtocolError: it broke the protocol.
        OSError: the terminal was closed.
    """
    kills = handle.oom_kills()
    start = encode_json(Kind.SHELL, shell), encode_json(Kind.MODEL, job), header(Kind.WEIGHTS, len(original)), original
    channel.send(clock() + FRAME_S, *start)
    if journal is not None:
        channel.send_file(clock() + FRAME_S, Kind.JOURNAL, journal)
    while True:
        ready = _wait(handle.read_fd, screen.typed_fd, screen.resized_fd)
        if screen.resized_fd in ready:
            os.read(screen.resized_fd, TYPED_BYTES)
            rows, columns = screen.size()
            channel.send(clock() + FRAME_S, encode_json(Kind.RESIZE, {"rows": rows, "columns": columns}))
        if screen.typed_fd in ready:
            typed = os.read(screen.typed_fd, TYPED_BYTES)
            if not typed:
                raise OSError("the terminal was closed")
            channel.send(clock() + FRAME_S, encode(Kind.TERMINAL, bytes([IN]) + typed))
        if handle.read_fd in ready:
            kind, payload = channel.receive(clock() + FRAME_S)
            if kind is Kind.ENDED:
                return ShellEnd(_status(bytes(payload)), handle.oom_kills() > kills)
            if kind is not Kind.TERMINAL or payload[:1] not in (bytes([OUT]), bytes([ERROR])):
                raise ProtocolError(f"{kind.name} came while a shell was running")
            screen.show(payload[0], bytes(payload[1:]))


def _wait(*fds: int | None) -> set[int]:
    poller = select.poll()
    for fd in fds:
        if fd is not None:
            poller.register(fd, select.POLLIN)
    return {fd for fd, _ in poller.poll()}


def _status(payload: bytes) -> int:
    ended = decode_json(payload)
    code, number = ended.get("exit_code"), ended.get("signal")
    if type(code) is int and 0 <= code < 256:
        return code
    if type(number) is int and 0 < number < 65:
        return 128 + number
    raise ProtocolError("ENDED tells neither an exit status nor a signal")


class Pipes:
    """A screen without a terminal: what is written goes to this process's streams, and nothing is typed."""

    typed_fd: int | None = None
    resized_fd: int | None = None

    def show(self, stream: int, data: bytes) -> None:
        """Pass it on; made harmless where a terminal shows it."""
        to = sys.stdout if stream == OUT else sys.stderr
        to.flush()
        _write(to.buffer, harmless_bytes(data).encode() if to.isatty() else data)

    def size(self) -> tuple[int, int]:
        """Nobody asks."""
        return 24, 80


class Terminal:
    """The terminal on which the harness was started, handed over whole; see :func:`taken_terminal`."""

    def __init__(self, resized_fd: int) -> None:
        self.typed_fd: int | None = sys.stdin.fileno()
        self.resized_fd: int | None = resized_fd

    def show(self, stream: int, data: bytes) -> None:  # noqa: ARG002 -- a terminal shows both alike
        """Write it as it is: a program that is used on a terminal moves its cursor."""
        _write(sys.stdout.buffer, data)

    def size(self) -> tuple[int, int]:
        """As the terminal says."""
        size = os.get_terminal_size(sys.stdin.fileno())
        return size.lines, size.columns


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()


@contextmanager
def kept_terminal() -> Iterator[None]:
    """Whatever a program does to the terminal's settings is undone at the end."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal was closed
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextmanager
def taken_terminal() -> Iterator[Terminal]:
    """The terminal in raw mode: every key, Ctrl-C among them, goes to the program inside. As it was at the end."""
    read_fd, write_fd = os.pipe()
    for fd in (read_fd, write_fd):
        os.set_blocking(fd, False)

    def resized(_number: int, _frame: object) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(write_fd, b"r")

    before = signal.signal(signal.SIGWINCH, resized)
    try:
        with kept_terminal():
            tty.setraw(sys.stdin.fileno())
            yield Terminal(read_fd)
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(read_fd)
        os.close(write_fd)
