"""What the guest asks of Linux: signals, orphans, leftovers. Standard library only."""

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
    """One call of prctl(2) with an integer argument.

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
"""What stands in the command lines of libraries' own helpers. They are killed as all others are; nobody is told of them."""


def hide_from_same_user() -> None:
    """After this, no process of the same user may trace this one nor look at its memory and descriptors in /proc."""
    prctl(PR_SET_DUMPABLE, 0)


def private_standard_streams() -> tuple[int, int]:
    """Move descriptors 0 and 1 out of reach of whatever prints; returns their new numbers (read, write).

    Descriptor 0 becomes /dev/null and 1 the error stream, so that neither stray prints nor C libraries can touch the
    protocol. The new descriptors are closed on exec.
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
    """Return a descriptor of a new file that lies in memory and has no path; see memfd_create(2).

    It is asked of the C library, as some builds of Python lack the function.

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
    """Let nobody change the content of a file in memory, whoever holds its descriptor."""
    fcntl.fcntl(fd, F_ADD_SEALS, ALL_SEALS)


def parents() -> dict[int, int]:
    """Process id -> parent's id of every process that can be seen."""
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended while we were looking
                text = (entry / "stat").read_text(errors="replace")
                table[int(entry.name)] = int(text.rpartition(")")[2].split()[1])
    return table


def descendants(root: int) -> list[int]:
    """All living descendants of ``root``, zombies included, nearest first."""
    table = parents()
    found, frontier = [], {root}
    while frontier:
        frontier = {pid for pid, parent in table.items() if parent in frontier and pid != root}
        found += sorted(frontier)
    return found


def is_helper(pid: int) -> bool:
    """Return whether a process is one that Python or torch starts for itself and ends with the program that it serves."""
    try:
        command = Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        return False
    return any(name in command for name in HELPERS)


def running_cpu_s(pid: int) -> float:
    """Return the processor seconds of a living process and of those of its children that have ended; 0 if it is gone.

    Its own are precise, those of its children are counted in clock ticks. The number of a process's clock is that of
    clock_getcpuclockid(3).
    """
    try:
        own_s = time.clock_gettime((~pid << 3) | 2)
        fields = Path("/proc", str(pid), "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return own_s + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")  # cutime and cstime: see proc(5)


@dataclass(frozen=True)
class Exit:
    """How one process ended.

    Attributes:
        exit_code: None when killed by a signal.
        signal: None when it exited.
        peak_rss_mib: as the kernel counted it.
    """

    exit_code: int | None
    signal: int | None
    peak_rss_mib: float


class Family:
    """All processes below this one, orphans of orphans included.

    Process 1 of a container inherits orphans by itself; any other asks the kernel to become their parent.

    Args:
        alone: there is nobody in this container but process 1, this process and those below it.

    Attributes:
        reaped_cpu_s: processor seconds of all that have ended, and of what they waited for.
    """

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._exits: dict[int, Exit] = {}
        self.reaped_cpu_s = 0.0
        if os.getpid() != 1:
            prctl(PR_SET_CHILD_SUBREAPER, 1)

    def reap(self) -> None:
        """Collect all that have ended, without waiting."""
        while self._reap_one(os.WNOHANG):
            pass

    def wait(self, pid: int) -> Exit:
        """Wait for a child's end and return it."""
        while (ended := self.exit_of(pid)) is None:
            self._reap_one(0)
        return ended

    def exit_of(self, pid: int) -> Exit | None:
        """How a child ended; None while it lives. Forgets it."""
        return self._exits.pop(pid, None)

    def kill_all(self) -> int:
        """Kill every descendant and wait until none is left; returns how many were killed by it, but for libraries' own helpers.

        A process that forks while it is being killed cannot escape: the round is repeated until there is nobody.
        """
        self.reap()
        before = set(self._exits) | {pid for pid in descendants(os.getpid()) if is_helper(pid)}
        while self._anybody():
            self._signal_all()
            self._reap_one(0)
        return sum(self._exits[pid].signal == signal.SIGKILL for pid in set(self._exits) - before)

    def cpu_s(self) -> float:
        """Processor seconds of all descendants so far, those that have ended included."""
        self.reap()
        return self.reaped_cpu_s + sum(running_cpu_s(pid) for pid in descendants(os.getpid()))

    def forget(self) -> None:
        """Drop what is known of processes that ended."""
        self._exits.clear()

    def _anybody(self) -> bool:
        """Whether a descendant is left: orphans become children of this process, so one without children has none."""
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
