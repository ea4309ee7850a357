"""Shared functions of attacks: report of a success, limits as seen from inside, processes with a bounded lifetime."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

EVER_S = 60.0
"""Duration of "forever", seconds: far above every limit, but finite in case the sandbox does not enforce the limit."""

CHILD_S = 20.0
"""Maximum lifetime of a process that an attack leaves behind, seconds."""

CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60

libc = ctypes.CDLL(None, use_errno=True)
_sleep, _monotonic = time.sleep, time.monotonic  # attacks replace them


def reached(text):
    """Report that the attack succeeded: the assessment counts a line with this prefix as a fault."""
    line = " ".join(str(text).split())
    os.write(1, f"\nREACHED: {line}\n".encode(errors="backslashreplace"))


def refused(action, what, errors=(OSError,)):
    """Call ``action``, which must fail; return its error, or report that ``what`` was reached and return None."""
    try:
        action()
    except errors as error:
        return error
    reached(what)
    return None


def now():
    """Return the real monotonic time, seconds."""
    return _monotonic()


def rest(seconds=EVER_S):
    """Sleep by the real clock, despite interrupts."""
    end = _monotonic() + seconds
    while (left := end - _monotonic()) > 0:
        _sleep(left)


def spin(seconds=EVER_S):
    """Keep a core busy."""
    end = _monotonic() + seconds
    while _monotonic() < end:
        pass


def stop():
    """Stop this process with SIGSTOP; only SIGCONT and SIGKILL affect it then."""
    os.kill(os.getpid(), signal.SIGSTOP)


def chain():
    """Replace this process by a child continuously for CHILD_S seconds, so that no process id persists."""
    end = _monotonic() + CHILD_S
    while _monotonic() < end:
        if os.fork():
            os._exit(0)


def fork(work, *arguments):
    """Start a child that does ``work`` and exits, within CHILD_S seconds unless it blocks SIGALRM; return its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(CHILD_S))
            work(*arguments)
        finally:
            os._exit(0)
    return pid


def daemon(work, *arguments):
    """Start an orphaned grandchild in its own session."""

    def start():
        os.setsid()
        fork(work, *arguments)

    os.waitpid(fork(start), 0)


def memory_limit_mib():
    """Return the memory limit of this container, MiB; None if there is none."""
    return _mebi(_control("memory", "memory.max", "memory.limit_in_bytes"))


def pids_limit():
    """Return the limit on processes and threads of this container; None if there is none."""
    return _control("pids", "pids.max", "pids.max")


def folder_mib(folder):
    """Return the size of the file system mounted at ``folder``, MiB; None if none is mounted there."""
    if not os.path.ismount(folder):
        return None
    sizes = os.statvfs(folder)
    return _mebi(sizes.f_blocks * sizes.f_frsize)


def required(limit, what):
    """Return the limit, since an attack on a limit that is not enforced would hit the machine.

    Raises:
        RuntimeError: there is no limit.
    """
    if not limit:
        raise RuntimeError(f"no limit on {what} is visible in the container: the attack is skipped")
    return limit


def _control(controller, name_v2, name_v1):
    """Return the number in a file of this container's cgroup; None if it is unreadable or unlimited."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller not in controllers.split(",") and controllers:
            continue
        root, name = (CGROUPS / controllers, name_v1) if controllers else (CGROUPS, name_v2)
        for folder in (root / path.lstrip("/"), root):
            text = _text(folder / name)
            if text.isdecimal() and int(text) < UNLIMITED:
                return int(text)
    return None


def _text(path):
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _mebi(number):
    return None if number is None else number >> 20
