"""Attacks that end in other ways than by returning."""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import gc
import os
import resource
import signal
import sys
import threading

from harness_attacks._marks import attack

hostile = attack("plugin_error", promise=5)


exits = hostile(lambda: sys.exit("all is well"), "Call sys.exit with a message.")
exits_at_once = hostile(lambda: os._exit(0), "Call os._exit(0).", "output_missing")
exits_with_a_status = hostile(lambda: os._exit(137), "Exit with the status of an out-of-memory kill.", "output_missing")
interrupts_itself = hostile(lambda: os.kill(os.getpid(), signal.SIGINT), "Send itself SIGINT.")
replaces_itself = hostile(
    lambda: os.execv("/bin/true", ["true"]), "Replace its process by another program.", "output_missing"
)
segfaults = hostile(lambda: ctypes.string_at(0), "Read address 0.", "killed_signal")
aborts = hostile(lambda: os.abort(), "Call abort().", "killed_signal")
kills_itself = hostile(lambda: os.kill(os.getpid(), signal.SIGKILL), "Send itself SIGKILL.", "killed_signal")
forbidden_call = hostile(
    lambda: os.kill(os.getpid(), signal.SIGSYS),
    "Send itself SIGSYS, by which a seccomp filter kills.",
    "policy_violation",
)
divides_by_zero = hostile(
    lambda: os.kill(os.getpid(), signal.SIGFPE),
    "Send itself SIGFPE, the signal of a division by zero in C.",
    "killed_signal",
)


def raises_system_exit():
    """Raise SystemExit with status 0."""
    raise SystemExit(0)


@hostile("output_missing")
def exits_in_a_thread():
    """Exit the process from another thread."""
    thread = threading.Thread(target=os._exit, args=(0,))
    thread.start()
    thread.join()


def interrupts():
    """Raise KeyboardInterrupt."""
    raise KeyboardInterrupt


@hostile("killed_signal")
def segfaults_quietly():
    """Read address 0, with faulthandler disabled."""
    faulthandler.disable()
    ctypes.string_at(0)


def recurses():
    """Recurse endlessly."""
    recurses()


@hostile("killed_signal")
def overflows_the_stack():
    """Overflow the C stack by endless recursion, without Python's recursion limit."""
    sys.setrecursionlimit(1 << 30)

    class Deep:
        def __repr__(self):
            return repr([self])

    repr(Deep())


def says_no_memory():
    """Raise MemoryError."""
    raise MemoryError


@hostile("disk_full")
def says_no_space():
    """Raise OSError for a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/file")


@hostile("killed_signal")
def cpu_limit():
    """Set a limit on its own CPU time and exceed it."""
    resource.setrlimit(resource.RLIMIT_CPU, (1, 2))
    while True:
        pass


def file_limit():
    """Set its limit on descriptors to zero, and raise."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    raise ValueError("no descriptor left")


def forgets_modules():
    """Delete every module from sys.modules, and raise."""
    for name in list(sys.modules):
        if not name.startswith("harness_attacks"):
            del sys.modules[name]
    gc.collect()
    raise ValueError("without modules")


def closes_streams():
    """Close the standard streams, and raise."""
    sys.stdout.close()
    sys.stderr.close()
    os.close(1)
    os.close(2)
    raise ValueError("without streams")


@hostile("ok")
def replaces_streams():
    """Replace the standard streams by objects that exit when flushed."""

    class Stream:
        def flush(self):
            raise SystemExit(0)

    sys.stdout = sys.stderr = Stream()


def stops_by_exit_handlers():
    """Register an exit handler that never ends, and raise."""
    import atexit

    atexit.register(lambda: signal.pause())
    raise ValueError("with a handler")


@hostile("ok")
def waits_in_a_thread():
    """Return with a thread that never ends."""
    threading.Thread(target=lambda: signal.sigwait({signal.SIGUSR1})).start()
