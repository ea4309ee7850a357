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


def raises_system_exit():
    """Raise SystemExit with status 0."""
    raise SystemExit(0)


def exits():
    """Call sys.exit with a message."""
    sys.exit("all is well")


def exits_at_once():
    """Call os._exit(0)."""
    os._exit(0)


def exits_with_a_status():
    """Exit with the status of an out-of-memory kill."""
    os._exit(137)


def exits_in_a_thread():
    """Exit the process from another thread."""
    thread = threading.Thread(target=os._exit, args=(0,))
    thread.start()
    thread.join()


def interrupts():
    """Raise KeyboardInterrupt."""
    raise KeyboardInterrupt


def interrupts_itself():
    """Send itself SIGINT."""
    os.kill(os.getpid(), signal.SIGINT)


def replaces_itself():
    """Replace its process by another program."""
    os.execv("/bin/true", ["true"])


def segfaults():
    """Read address 0."""
    ctypes.string_at(0)


def segfaults_quietly():
    """Read address 0, with faulthandler disabled."""
    faulthandler.disable()
    ctypes.string_at(0)


def aborts():
    """Call abort()."""
    os.abort()


def kills_itself():
    """Send itself SIGKILL."""
    os.kill(os.getpid(), signal.SIGKILL)


def forbidden_call():
    """Send itself SIGSYS, by which a seccomp filter kills."""
    os.kill(os.getpid(), signal.SIGSYS)


def divides_by_zero():
    """Send itself SIGFPE, the signal of a division by zero in C."""
    os.kill(os.getpid(), signal.SIGFPE)


def recurses():
    """Recurse endlessly."""
    recurses()


def overflows_the_stack():
    """Recurse endlessly through C code, without Python's recursion limit."""
    sys.setrecursionlimit(1 << 30)

    class Deep:
        def __repr__(self):
            return repr([self])

    repr(Deep())


def says_no_memory():
    """Raise MemoryError."""
    raise MemoryError


def says_no_space():
    """Raise OSError for a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/file")


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


def waits_in_a_thread():
    """Return with a thread that never ends."""
    threading.Thread(target=lambda: signal.sigwait({signal.SIGUSR1})).start()
