"""Attacks on the limits of processes and memory, and on the guest through these limits.

Every attack ends even if a limit is not enforced.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
import threading
from pathlib import Path

from harness_attacks import _tools
from harness_attacks._marks import attack

hostile = attack("ok", promise=1)

MIB = 1 << 20
TOO_MANY = 4
"""Multiple of the limit at which an attack on processes or memory gives up."""

SMALL_PROCESSES = """
import os, signal, sys
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        signal.alarm(20)
        held = b"x" * (48 << 20)
        signal.pause()
signal.alarm(20)
signal.pause()
"""


@hostile("pids_limit", guard="pids")
def forks():
    """Fork endlessly, also in every child, and propagate the error."""
    _bomb()


@hostile("ok_degraded", guard="pids")
def forks_and_swallows():
    """Fork endlessly, also in every child, and swallow the error."""
    try:
        _bomb()
    except BlockingIOError:
        return


def _bomb():
    """Fork at most TOO_MANY times the limit: each fork takes a token from a pipe."""
    limit = _tools.required(_tools.pids_limit(), "processes")
    tokens, source = os.pipe()
    os.write(source, b"x" * TOO_MANY * limit)
    os.close(source)
    root = os.getpid()
    while os.read(tokens, 1):
        try:
            if os.fork() == 0:
                signal.alarm(int(_tools.CHILD_S))
        except BlockingIOError:
            if os.getpid() == root:
                raise
            _tools.rest(_tools.CHILD_S)
            os._exit(0)
    if os.getpid() == root:
        _tools.reached(f"{TOO_MANY} times the processes that the limit allows")
    _tools.rest(_tools.CHILD_S)
    os._exit(0)


@hostile("pids_limit", guard="pids")
def starts_threads():
    """Start threads endlessly."""
    limit = _tools.required(_tools.pids_limit(), "threads")
    for _ in range(TOO_MANY * limit):
        threading.Thread(target=_tools.rest, args=(_tools.CHILD_S,), daemon=True).start()
    _tools.reached(f"{TOO_MANY} times the threads that the limit allows")


@hostile(promise=6, guard="pids")
def leaves_processes():
    """Leave half as many processes as the limit allows: a quarter with a stopped child each."""
    limit = _tools.required(_tools.pids_limit(), "processes")
    for _ in range(limit // 4):
        _tools.fork(_parent_of_stopped)


def _parent_of_stopped():
    _tools.fork(_tools.stop)
    _tools.rest(_tools.CHILD_S)


@hostile("oom", guard="memory")
def allocates():
    """Allocate all memory."""
    _take_memory()


@hostile("ok_degraded", promise=5, guard="memory")
def child_allocates():
    """Let a child allocate all memory, and return normally."""
    child = _tools.fork(_volunteer)
    _, status = os.waitpid(child, 0)
    print("the child ended with", status)


def _volunteer():
    _prefer(1000)
    _take_memory()


def _prefer(score):
    """Set this process's score for the kernel's out-of-memory killer."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(score))


def _take_memory():
    limit_mib = _tools.required(_tools.memory_limit_mib(), "memory")
    block = 16
    held = [b"x" * block * MIB for _ in range(TOO_MANY * limit_mib // block)]
    _tools.reached(f"{len(held) * block} MiB of memory at a limit of {limit_mib} MiB")


@hostile("oom", guard="memory")
def offers_the_guest():
    """Allocate all memory in processes that are each smaller than the guest, so that the kernel kills the guest first."""
    limit_mib = _tools.required(_tools.memory_limit_mib(), "memory")
    _prefer(0)
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", SMALL_PROCESSES, str(2 * limit_mib // 48)])


@hostile("oom", guard="memory")
def hides_memory():
    """Allocate all memory in an anonymous file (memfd), which is not charged to a process's RSS."""
    limit_mib = _tools.required(_tools.memory_limit_mib(), "memory")
    file = os.memfd_create("hidden")
    for _ in range(TOO_MANY * limit_mib):
        os.write(file, b"x" * MIB)
    _tools.reached(f"{TOO_MANY * limit_mib} MiB of memory in an anonymous file")


@hostile(guard="memory")
def fills_pipes():
    """Fill pipes that nobody reads, until the kernel refuses; their buffers count as memory."""
    limit_mib = _tools.required(_tools.memory_limit_mib(), "memory")
    taken, held = 0, []
    try:
        while taken < TOO_MANY * limit_mib * MIB:
            held += os.pipe()
            os.set_blocking(held[-1], False)
            taken += os.write(held[-1], b"x" * MIB)
    except OSError:
        for fd in held:
            os.close(fd)
        return
    _tools.reached(f"{taken} bytes in pipes")


@hostile("plugin_error")
def opens_files():
    """Open more files than a process may."""
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(10_000)]
    _tools.reached(f"{len(held)} open files")


@hostile("killed_signal", promise=5)
def kills_group():
    """Kill its own process group."""
    os.killpg(0, signal.SIGKILL)


@hostile(promise=5)
def signals_by_descriptor():
    """Make the kernel send SIGKILL and SIGSTOP to the guest when a pipe becomes readable."""
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, 0):
        read, write = os.pipe()
        fcntl.fcntl(read, fcntl.F_SETOWN, 1)
        fcntl.fcntl(read, fcntl.F_SETSIG, number)
        fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
        os.write(write, b"x")


@hostile("plugin_error", promise=5)
def blames_the_sandbox():
    """Prevent the guest from opening files, so that it fails and the sandbox is blamed."""
    resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))
    raise RuntimeError("it was not me")


def raises_limits():
    """Request higher limits: priority, real-time scheduling, open files, core dumps, protection from the OOM killer."""
    _tools.refused(lambda: os.setpriority(os.PRIO_PROCESS, 0, -20), "a higher priority")
    _tools.refused(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)), "real-time scheduling")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for name, limit in (("open files", resource.RLIMIT_NOFILE), ("core dumps", resource.RLIMIT_CORE)):
        more = hard + 1 if limit == resource.RLIMIT_NOFILE else 1
        _tools.refused(
            lambda limit=limit, more=more: resource.setrlimit(limit, (more, more)), name, (OSError, ValueError)
        )
    _tools.refused(lambda: _prefer(-1000), "protection from the OOM killer")


def widens_group():
    """Raise the limits of its own cgroup."""
    for path in ("memory/memory.limit_in_bytes", "pids/pids.max", "cpu/cpu.cfs_quota_us", "memory.max", "pids.max"):
        for root in (str(_tools.CGROUPS), "/proc/1/root/sys/fs/cgroup"):
            _tools.refused(lambda place=f"{root}/{path}": Path(place).write_text("-1"), f"its limits in {path}")


def enlarges_tmp():
    """Remount /tmp without a size limit."""
    flags = 32  # MS_REMOUNT
    if _tools.libc.mount(b"none", b"/tmp", b"tmpfs", flags, b"size=100g") == 0:
        _tools.reached("a larger /tmp")
