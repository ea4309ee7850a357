"""A guest as an ordinary process: its streams, and the clean-up of its process tree."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from harness.core.text import harmless_bytes
from harness.errors import SandboxError
from harness.runners.base import Beside, GuestExit
from harness.runners.cores import core_list, pinned
from harness_guest.linux import descendants

STDERR_BYTES = 8192
WAIT_S = 10.0
OWN_END_S = 0.5
GUEST_ARGUMENTS = ("-s", "-m", "harness_guest")
MARK_VARIABLE = "HARNESS_GUEST_FOLDER"


class ProcessHandle:
    """A running guest process; see :class:`harness.runners.base.GuestHandle`.

    Args:
        folder: it runs in this folder, which is deleted at the end.
        environment: all of its environment variables.
        arguments: arguments of the Python interpreter.
        hold: a descriptor that marks the folder as in use, closed at the end.
        cores: cores that it may use; None for those of this process.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        arguments: Sequence[str] = GUEST_ARGUMENTS,
        *,
        hold: int | None = None,
        cores: tuple[int, ...] | None = None,
    ) -> None:
        self._folder = folder
        self._environment = {**environment, MARK_VARIABLE: str(folder)}
        self._hold = hold
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by close()
        self._lock = threading.Lock()
        self._exit: GuestExit | None = None
        self._stream_ended = False
        self._mark = f"{MARK_VARIABLE}={folder}".encode()
        guest_in, self._write_fd = os.pipe()
        self._read_fd, guest_out = os.pipe()
        try:
            with pinned(cores):  # inherited, so that the guest never runs on other cores
                self._process = subprocess.Popen(
                    [sys.executable, *arguments],
                    stdin=guest_in,
                    stdout=guest_out,
                    stderr=self._stderr,
                    cwd=folder,
                    env=self._environment,
                    start_new_session=True,
                )
        except OSError:
            os.close(self._write_fd)
            os.close(self._read_fd)
            self._stderr.close()
            raise
        finally:
            os.close(guest_in)
            os.close(guest_out)
        os.set_blocking(self._write_fd, False)
        os.set_blocking(self._read_fd, False)

    @property
    def read_fd(self) -> int:
        """Return the descriptor to poll for reading."""
        return self._read_fd

    @property
    def write_fd(self) -> int:
        """Return the descriptor to poll for writing."""
        return self._write_fd

    def read(self, max_bytes: int) -> bytes | None:
        """Return the available bytes; ``b""`` at the end, None if there are none yet."""
        try:
            chunk = os.read(self._read_fd, max_bytes)
        except BlockingIOError:
            return None
        self._stream_ended = not chunk
        return chunk

    def write(self, data: memoryview) -> int:
        """Send as much as possible without blocking; return the number of bytes sent."""
        try:
            return os.write(self._write_fd, data)
        except BlockingIOError:
            return 0

    def oom_kills(self) -> int:
        """Return 0: unknown without a container."""
        return 0

    def refused_forks(self) -> int | None:
        """Return None: unknown without a container."""
        return None

    def cpu_s(self) -> float | None:
        """Return None: without a container, the guest's own measurement of its children is used."""
        return None

    def processes(self) -> int | None:
        """Return None: a process may hide from its parent."""
        return None

    def move(self, cores: tuple[int, ...]) -> None:
        """Pin every thread of the guest to these cores."""
        try:
            for thread in Path("/proc", str(self._process.pid), "task").iterdir():
                os.sched_setaffinity(int(thread.name), cores)
        except OSError as error:
            raise SandboxError(f"The guest could not be moved to the cores {core_list(cores)}: {error}.") from error

    def beside(self, arguments: Sequence[str], *, interactive: bool) -> Beside:
        """Return a call of Python with the guest's folder, variables and mark, by which :meth:`close` finds and kills it."""
        environment = (
            {**self._environment, "TERM": os.environ.get("TERM", "dumb")} if interactive else self._environment
        )
        return Beside((sys.executable, "-s", *arguments), self._folder, environment)

    def kill(self) -> None:
        """Kill the guest and its descendants."""
        with self._lock:
            if (
                self._stream_ended
            ):  # it is exiting by itself, and its own exit status is better evidence than that of a kill
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(OWN_END_S)
            if self._process.poll() is None:
                kill_tree(self._process.pid)

    def close(self) -> GuestExit:
        """Kill the guest and all processes that it started, and return how it ended."""
        if self._exit is not None:
            return self._exit
        self.kill()
        notes = []
        try:
            self._process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            notes.append(f"process {self._process.pid} did not end within {WAIT_S:.0f} s of being killed")
        kill_marked(self._mark)
        os.close(self._write_fd)
        os.close(self._read_fd)
        stderr = self._stderr_tail()
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None
        if self._folder.exists():
            notes.append(f"the temporary folder {self._folder} could not be removed")
        self._exit = GuestExit(self._process.returncode, False, stderr, tuple(notes))
        return self._exit

    def _stderr_tail(self) -> str:
        with self._stderr as file:
            n_bytes = file.seek(0, os.SEEK_END)
            file.seek(max(0, n_bytes - STDERR_BYTES))
            return harmless_bytes(file.read())


def kill_tree(root: int) -> None:
    """Stop a process, so that it cannot fork, then kill its descendants and the process itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(root, signal.SIGSTOP)
    while below := [pid for pid in descendants(root) if _kill(pid)]:
        if not _any_alive(below):
            break
    _kill(root)


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _any_alive(pids: list[int]) -> bool:
    """Return True if any of them is more than a zombie."""
    for pid in pids:
        with contextlib.suppress(OSError):
            text = Path("/proc", str(pid), "stat").read_text(errors="replace")
            if text.rpartition(")")[2].split()[0] not in "ZX":
                return True
    return False


def kill_marked(mark: bytes) -> None:
    """Kill every process with ``mark``, a "NAME=value", in its initial environment.

    This finds processes that outlived a guest killed from outside.
    """
    while found := [pid for pid in _marked(mark) if _kill(pid)]:
        if not _any_alive(found):
            break


def _marked(mark: bytes) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended, or belongs to another user
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
