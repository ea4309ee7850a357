"""Against the limits on processes and memory, and on the guest by way of them. Every attack ends where a limit does not hold."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
import threading
from pathlib import Path

from harness_attacks import _tools

MIB = 1 << 20
TOO_MANY = 4
"""Times the limit after which an attack on processes or memory gives up."""

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


def forks():
    """Fork without an end, in every child too; the refusal is let out."""
    _bomb()


def forks_and_swallows():
    """Fork without an end, in every child too; the refusal is swallowed."""
    try:
        _bomb()
    except BlockingIOError:
        return


def _bomb():
    """At most four times the limit's processes: each fork takes one token from a pipe."""
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


def starts_threads():
    """Start threads without an end."""
    limit = _tools.required(_tools.pids_limit(), "threads")
    for _ in range(TOO_MANY * limit):
        threading.Thread(target=_tools.rest, args=(_tools.CHILD_S,), daemon=True).start()
    _tools.reached(f"{TOO_MANY} times the threads that the limit allows")


def leaves_processes():
    """Leave almost as many processes behind as the limit allows, each with a child that is stopped."""
    limit = _tools.required(_tools.pids_limit(), "processes")
    for _ in range(limit // 4):
        _tools.fork(_parent_of_stopped)


def _parent_of_stopped():
    _tools.fork(_tools.stop)
    _tools.rest(_tools.CHILD_S)


def allocates():
    """Take all memory."""
    _take_memory()


def child_allocates():
    """Let a child take all memory, and return as if nothing had been."""
    child = _tools.fork(_volunteer)
    _, status = os.waitpid(child, 0)
    print("the child ended with", status)


def _volunteer():
    _prefer(1000)
    _take_memory()


def _prefer(score):
    """Tell the kernel how gladly to end this process when memory is out."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(score))


def _take_memory():
    limit_mib = _tools.required(_tools.memory_limit_mib(), "memory")
    block = 16
    held = [b"x" * block * MIB for _ in range(TOO_MANY * limit_mib // block)]
    _tools.reached(f"{len(held) * block} MiB of memory at a limit of {limit_mib} MiB")


def offers_the_guest():
    """Take all memory in processes that are each smaller than the guest, so that the kernel ends the guest first."""
    limit_mib = _tools.required(_tools.memory_limit_mib(), "memory")
    _prefer(0)
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", SMALL_PROCESSES, str(2 * limit_mib // 48)])


def hides_memory():
    """Take all memory in a nameless file, which no process seems to use."""
    limit_mib = _tools.required(_tools.memory_limit_mib(), "memory")
    file = os.memfd_create("hidden")
    for _ in range(TOO_MANY * limit_mib):
        os.write(file, b"x" * MIB)
    _tools.reached(f"{TOO_MANY * limit_mib} MiB of memory in a nameless file")


def fills_pipes():
    """Keep as much as the kernel takes in pipes that nobody reads; what it takes counts as memory."""
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


def opens_files():
    """Open more files than a process may."""
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(10_000)]
    _tools.reached(f"{len(held)} open files")


def kills_group():
    """Kill its own process group."""
    os.killpg(0, signal.SIGKILL)


def signals_by_descriptor():
    """Let the kernel send the guest SIGKILL and SIGSTOP whenever a pipe can be read."""
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, 0):
        read, write = os.pipe()
        fcntl.fcntl(read, fcntl.F_SETOWN, 1)
        fcntl.fcntl(read, fcntl.F_SETSIG, number)
        fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
        os.write(write, b"x")


def blames_the_sandbox():
    """Forbid the guest to open anything, so that it breaks down and the sandbox gets the blame."""
    resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))
    raise RuntimeError("it was not me")


def raises_limits():
    """Ask for more of everything: priority, real-time scheduling, files, cores dumped, protection from the memory killer."""
    _tools.refused(lambda: os.setpriority(os.PRIO_PROCESS, 0, -20), "a higher priority")
    _tools.refused(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)), "real-time scheduling")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for name, limit in (("open files", resource.RLIMIT_NOFILE), ("dumped cores", resource.RLIMIT_CORE)):
        more = hard + 1 if limit == resource.RLIMIT_NOFILE else 1
        _tools.refused(
            lambda limit=limit, more=more: resource.setrlimit(limit, (more, more)), name, (OSError, ValueError)
        )
    _tools.refused(lambda: _prefer(-1000), "protection from the memory killer")


def widens_group():
    """Write larger limits into its own control group."""
    for path in ("memory/memory.limit_in_bytes", "pids/pids.max", "cpu/cpu.cfs_quota_us", "memory.max", "pids.max"):
        for root in (str(_tools.CGROUPS), "/proc/1/root/sys/fs/cgroup"):
            _tools.refused(lambda place=f"{root}/{path}": Path(place).write_text("-1"), f"its limits in {path}")


def enlarges_tmp():
    """Mount /tmp again without a limit on its size."""
    flags = 32  # MS_REMOUNT
    if _tools.libc.mount(b"none", b"/tmp", b"tmpfs", flags, b"size=100g") == 0:
        _tools.reached("a larger /tmp")
