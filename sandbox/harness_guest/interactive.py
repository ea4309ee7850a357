"""The guest's side of ``harness shell``: a process like any model's, with a terminal of its own that is carried to the host.

The container is started as for a run, with no terminal of the engine's: the terminal is made inside, and its bytes travel in the
protocol's frames.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import os
import pty
import selectors
import signal
import struct
import termios
from dataclasses import dataclass

from harness_guest.child import Files, Prepared
from harness_guest.linux import Exit, Family
from harness_guest.prompt import run_shell
from harness_guest.protocol import Ended, Job, Kind, ProtocolError, Shell, decode_json
from harness_guest.spawn import _close_all_but
from harness_guest.wire import Wire

CHUNK_BYTES = 1 << 16
MAX_LATE_BYTES = 1 << 22
IN, OUT, ERROR = 0, 1, 2
GONE = (errno.EIO, errno.EBADF)  # a terminal whose other end is closed


@dataclass(frozen=True)
class Talking:
    """A running shell and the guest's ends: ``outputs`` maps descriptors to read to their stream, ``typed`` is written."""

    pid: int
    outputs: dict[int, int]
    typed: int | None


def serve_shell(
    shell: Shell, job: Job, files: Files, wire: Wire, family: Family, prepared: Prepared, wakeup_fd: int
) -> None:
    """Start a shell, carry what is typed and shown, and tell the host how it ended."""
    talking = fork_shell(prepared, shell, job, files)
    bridge = _Bridge(talking, wire, family, wakeup_fd)
    try:
        ended = bridge.run()
    finally:
        family.kill_all()
        bridge.close()
    wire.send_json(Kind.ENDED, Ended(job.index, ended.exit_code, ended.signal, peak_rss_mib=ended.peak_rss_mib))


def fork_shell(prepared: Prepared, shell: Shell, job: Job, files: Files) -> Talking:
    """Fork the shell's process: on a terminal, or, where it was given its code, with a pipe for each stream it writes."""
    if shell.code is None:
        ours, theirs = pty.openpty()
        resize(ours, shell.rows, shell.columns)
        inside, outputs, typed = (theirs, theirs), {ours: OUT}, ours
    else:
        (out_read, out_write), (error_read, error_write) = os.pipe(), os.pipe()
        inside, outputs, typed = (out_write, error_write), {out_read: OUT, error_read: ERROR}, None
    gc.freeze()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        _close_all_but({*inside, *files.all})
        run_shell(prepared, shell, job, files, inside, parent)
    for fd in set(inside):
        os.close(fd)
    for fd in outputs:
        os.set_blocking(fd, False)
    return Talking(pid, outputs, typed)


def resize(terminal: int, rows: int, columns: int) -> None:
    """Give a terminal its size; the kernel tells the programs on it."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class _Bridge:
    """Carries bytes between the host and a shell until the shell has ended. A single loop, no threads."""

    def __init__(self, talking: Talking, wire: Wire, family: Family, wakeup_fd: int) -> None:
        self._talking, self._wire, self._family, self._wakeup_fd = talking, wire, family, wakeup_fd
        self._open = dict(talking.outputs)
        self._typed = bytearray()

    def run(self) -> Exit:
        """Carry bytes; returns how the shell ended.

        Raises:
            HostGoneError: the host went away.
        """
        ended: Exit | None = None
        while ended is None:
            for fd in self._ready():
                if fd in self._open:
                    self._show(fd)
                elif fd == self._wire.read_fd:
                    self._hear()
                elif fd == self._wakeup_fd:
                    ended = self._reap()
            self._type()
            self._wire.push()
        self._drain()
        return ended

    def close(self) -> None:
        """Close the guest's ends."""
        for fd in self._talking.outputs:
            os.close(fd)

    def _ready(self) -> list[int]:
        """Descriptors that can be read now; waits until something can be done."""
        with selectors.DefaultSelector() as selector:
            # While the host is slow in taking what was shown, no more of it is read: the shell then waits.
            for fd in (self._wire.read_fd, self._wakeup_fd, *(() if self._wire.pending else self._open)):
                selector.register(fd, selectors.EVENT_READ)
            if self._wire.pending:
                selector.register(self._wire.write_fd, selectors.EVENT_WRITE)
            if self._typed and self._talking.typed is not None:
                self._add_writer(selector, self._talking.typed)
            return [key.fd for key, events in selector.select() if events & selectors.EVENT_READ]

    @staticmethod
    def _add_writer(selector: selectors.BaseSelector, fd: int) -> None:
        if fd in selector.get_map():
            selector.modify(fd, selectors.EVENT_READ | selectors.EVENT_WRITE)
        else:
            selector.register(fd, selectors.EVENT_WRITE)

    def _show(self, fd: int) -> int:
        """Send on what the shell wrote; how many bytes that were."""
        try:
            chunk = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno not in GONE:
                raise
            chunk = b""
        if chunk:
            self._wire.post(Kind.TERMINAL, bytes([self._open[fd]]) + chunk)
        else:
            self._open.pop(fd)
        return len(chunk)

    def _hear(self) -> None:
        kind, payload = self._wire.receive()
        if kind is Kind.RESIZE and self._talking.typed is not None:
            size = decode_json(payload)
            resize(self._talking.typed, int(size["rows"]), int(size["columns"]))
        elif kind is Kind.TERMINAL and payload[:1] == bytes([IN]):
            self._typed += payload[1:]
        else:
            raise ProtocolError(f"{kind.name} came while a shell was running")

    def _type(self) -> None:
        if self._typed and self._talking.typed is not None:
            with contextlib.suppress(BlockingIOError):
                written = os.write(self._talking.typed, self._typed[:CHUNK_BYTES])
                del self._typed[:written]

    def _reap(self) -> Exit | None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup_fd, 1 << 12)
        self._family.reap()
        return self._family.exit_of(self._talking.pid)

    def _drain(self) -> None:
        """Send what the streams still hold; what the shell left running may keep them open, so their end is not waited for."""
        late_bytes, more = 0, True
        while more and late_bytes < MAX_LATE_BYTES:
            shown = sum(self._show(fd) for fd in list(self._open))
            late_bytes, more = late_bytes + shown, shown > 0
            self._wire.flush()
