"""Linux system calls of the guest: signals, orphaned processes, clean-up. Standard library only."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
MFD_CLOEXEC, MFD_ALLOW_SEALING = 1, 2
F_ADD_SEALS, ALL_SEALS = 1033, 0b1111  # of sealing, shrinking, growing, writing


def prctl(option: int, value: int) -> None:
    """Call prctl(2) with one integer argument.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


HELPERS = (
    b"from multiprocessing.resource_tracker import main",
    b"from multiprocessing.forkserver import main",
    b"torch_shm_manager",
)
"""Substrings of the command lines of libraries' own helper processes. They are killed like all others, but not reported."""


def hide_from_same_user() -> None:
    """Prevent other processes of the same user from tracing this one or reading its memory and descriptors in /proc."""
    prctl(PR_SET_DUMPABLE, 0)


def private_standard_streams() -> tuple[int, int]:
    """Move descriptors 0 and 1 out of reach of printing code; return their new numbers (read, write).

    Descriptor 0 becomes /dev/null and 1 the error stream, so that stray prints and C libraries cannot corrupt the protocol.
    The new descriptors are closed on exec.
    """
    read_fd, write_fd = _dup_high(0), _dup_high(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return read_fd, write_fd


def _dup_high(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100)


def memory_file(name: str, n_bytes: int) -> int:
    """Return a descriptor of a new in-memory file without a path; see memfd_create(2).

    Called through the C library, because some builds of Python lack the function.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    fd = int(libc.memfd_create(name.encode(), MFD_CLOEXEC | MFD_ALLOW_SEALING))
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    os.ftruncate(fd, n_bytes)
    return fd


def seal(fd: int) -> None:
    """Make the content of an in-memory file immutable for all holders of its descriptor."""
    fcntl.fcntl(fd, F_ADD_SEALS, ALL_SEALS)


def parents() -> dict[int, int]:
    """Return a map from process id to parent's id of every visible process."""
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended in the meantime
                text = (entry / "stat").read_text(errors="replace")
                table[int(entry.name)] = int(text.rpartition(")")[2].split()[1])
    return table


def descendants(root: int) -> list[int]:
    """Return all living descendants of ``root``, zombies included, nearest first."""
    table = parents()
    found, frontier = [], {root}
    while frontier:
        frontier = {pid for pid, parent in table.items() if parent in frontier and pid != root}
        found += sorted(frontier)
    return found


def is_helper(pid: int) -> bool:
    """Return True if a process is a helper that Python or torch started for itself and ends with its program."""
    try:
        command = Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        return False
    return any(name in command for name in HELPERS)


def running_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a living process and of its ended children; 0 if it is gone.

    Its own time is precise, that of its children is in clock ticks. clock_getcpuclockid(3) documents the clock id of a process.
    """
    try:
        own_s = time.clock_gettime((~pid << 3) | 2)
        fields = Path("/proc", str(pid), "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return own_s + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")  # cutime and cstime: see proc(5)


@dataclass(frozen=True)
class Exit:
    """How a process ended.

    Attributes:
        exit_code: None if killed by a signal.
        signal: None if it exited.
        peak_rss_mib: as counted by the kernel.
    """

    exit_code: int | None
    signal: int | None
    peak_rss_mib: float


class ProcessTree:
    """The process tree below this process, including orphans.

    Process 1 of a container inherits orphans anyway; elsewhere the guest becomes a child subreaper (prctl(2)).

    Args:
        alone: the container has no processes except process 1, this process and its descendants.

    Attributes:
        reaped_cpu_s: CPU seconds of all ended processes, and of the children they waited for.
    """

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._exits: dict[int, Exit] = {}
        self.reaped_cpu_s = 0.0
        if os.getpid() != 1:
            prctl(PR_SET_CHILD_SUBREAPER, 1)

    def reap(self) -> None:
        """Reap all ended processes without waiting."""
        while self._reap_one(os.WNOHANG):
            pass

    def wait(self, pid: int) -> Exit:
        """Wait for a child's end and return it."""
        while (ended := self.exit_of(pid)) is None:
            self._reap_one(0)
        return ended

    def exit_of(self, pid: int) -> Exit | None:
        """Return and drop the exit of a child; None if it still runs."""
        return self._exits.pop(pid, None)

    def kill_all(self) -> int:
        """Kill every descendant and wait until none is left; return how many were killed, without libraries' own helpers.

        The loop repeats until there are no descendants, so a process cannot escape by forking while it is killed.
        """
        self.reap()
        before = set(self._exits) | {pid for pid in descendants(os.getpid()) if is_helper(pid)}
        while self._anybody():
            self._signal_all()
            self._reap_one(0)
        return sum(self._exits[pid].signal == signal.SIGKILL for pid in set(self._exits) - before)

    def cpu_s(self) -> float:
        """Return the CPU seconds of all descendants so far, ended ones included."""
        self.reap()
        return self.reaped_cpu_s + sum(running_cpu_s(pid) for pid in descendants(os.getpid()))

    def forget(self) -> None:
        """Drop the records of ended processes."""
        self._exits.clear()

    def _anybody(self) -> bool:
        """Return True if a descendant is left: orphans are reparented to this process, so without children there is none."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _signal_all(self) -> None:
        targets = [-1] if self._alone else descendants(os.getpid())
        for pid in targets:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _reap_one(self, options: int) -> bool:
        try:
            pid, status, usage = os.wait4(-1, options)
        except ChildProcessError:
            return False
        if pid == 0:
            return False
        self.reaped_cpu_s += usage.ru_utime + usage.ru_stime
        code = os.waitstatus_to_exitcode(status)
        rss_mib = usage.ru_maxrss / 1024
        self._exits[pid] = Exit(code, None, rss_mib) if code >= 0 else Exit(None, -code, rss_mib)
        return True
