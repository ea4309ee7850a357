"""What attacks share: saying that something forbidden was got, limits as seen from inside, processes that surely end."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

EVER_S = 60.0
"""How long "for ever" lasts, seconds: far beyond every limit, and yet an end where the sandbox does not hold."""

CHILD_S = 20.0
"""How long a process that an attack leaves behind lives at most, seconds."""

CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60

libc = ctypes.CDLL(None, use_errno=True)
_sleep, _monotonic = time.sleep, time.monotonic  # attacks replace them


def reached(text):
    """Say that the sandbox was broken: whoever judges the attack takes a line that begins so for a fault."""
    line = " ".join(str(text).split())
    os.write(1, f"\nREACHED: {line}\n".encode(errors="backslashreplace"))


def refused(action, what, errors=(OSError,)):
    """Do what must be refused; returns the error, or None after saying that ``what`` was reached."""
    try:
        action()
    except errors as error:
        return error
    reached(what)
    return None


def now():
    """The real monotonic clock, seconds."""
    return _monotonic()


def rest(seconds=EVER_S):
    """Sleep by the real clock, whatever interrupts."""
    end = _monotonic() + seconds
    while (left := end - _monotonic()) > 0:
        _sleep(left)


def spin(seconds=EVER_S):
    """Keep a core busy."""
    end = _monotonic() + seconds
    while _monotonic() < end:
        pass


def stop():
    """Stop this process, which then takes no signal but one."""
    os.kill(os.getpid(), signal.SIGSTOP)


def chain():
    """For CHILD_S seconds, let a child take this process's place again and again, so that no process id lasts."""
    end = _monotonic() + CHILD_S
    while _monotonic() < end:
        if os.fork():
            os._exit(0)


def fork(work, *arguments):
    """A child that does ``work`` and ends, within CHILD_S seconds unless it blocks the alarm; returns its process id."""
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
    """A grandchild in a session of its own, without a parent that waits for it."""

    def start():
        os.setsid()
        fork(work, *arguments)

    os.waitpid(fork(start), 0)


def memory_limit_mib():
    """The memory limit of this container, MiB; None where none is seen."""
    return _mebi(_control("memory", "memory.max", "memory.limit_in_bytes"))


def pids_limit():
    """The limit on processes and threads of this container; None where none is seen."""
    return _control("pids", "pids.max", "pids.max")


def folder_mib(folder):
    """Size of the file system at ``folder``, MiB; None where it is the system's own disk."""
    if not os.path.ismount(folder):
        return None
    sizes = os.statvfs(folder)
    return _mebi(sizes.f_blocks * sizes.f_frsize)


def required(limit, what):
    """The limit, seen from inside: an attack on one that is not in force would hit the machine.

    Raises:
        RuntimeError: it is not seen.
    """
    if not limit:
        raise RuntimeError(f"no limit on {what} is seen in force here: the attack is not carried out")
    return limit


def _control(controller, name_v2, name_v1):
    """A number in a file of this container's control group; None where it cannot be read or says that there is no limit."""
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
