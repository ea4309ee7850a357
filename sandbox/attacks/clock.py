"""Attacks on the time limit: processes that never end, and manipulated clocks."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time

import torch
from harness_attacks import _tools
from harness_attacks._marks import attack

hostile = attack("timeout", promise=3, limit_s=1.0)

PTRACE_TRACEME = 0


def sleeps():
    """Sleep forever."""
    _tools.rest()


def ignores_sigterm():
    """Ignore every signal that can be ignored, and sleep forever."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    _tools.rest()


def blocks_signals():
    """Block every signal, and sleep forever."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    _tools.rest()


def multiplies():
    """Multiply integer matrices, for which there is no fast kernel: half a minute within C."""
    size = 3000
    factor = torch.ones(size, size, dtype=torch.int64)
    print(int((factor @ factor)[0, 0]))


def matches():
    """Match a regular expression with exponential backtracking, which holds the GIL."""
    print(re.match("(a+)+b", "a" * 36))


def prints():
    """Print endlessly."""
    end = time.monotonic() + _tools.EVER_S
    while time.monotonic() < end:
        print("still here, " * 100)


def stops_itself():
    """Stop its own process with SIGSTOP."""
    os.kill(os.getpid(), signal.SIGSTOP)
    _tools.rest()


def is_traced():
    """Wait for a child that is stopped under ptrace."""

    def held():
        _tools.libc.ptrace(PTRACE_TRACEME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)

    _tools.fork(held)
    _tools.rest()


def closes_everything():
    """Close every descriptor, as if the process had exited, and continue to run."""
    os.closerange(0, 4096)
    _tools.rest()


def daemons_and_stays():
    """Start daemons that keep every pipe open, and never return."""
    for _ in range(8):
        _tools.daemon(_tools.rest)
    _tools.rest()


@hostile(guard="pids")
def revives():
    """Never return, while processes replace themselves by children faster than they can be listed."""
    for _ in range(8):
        _tools.daemon(_tools.chain)
    _tools.rest()


@hostile(guard="pids")
def orphans():
    """Continuously hand dead orphans to the guest, and never return."""
    end = time.monotonic() + _tools.CHILD_S
    while time.monotonic() < end:
        _tools.daemon(int)


def pesters():
    """Continuously wake the guest with signals, and never return."""
    end = time.monotonic() + _tools.EVER_S
    while time.monotonic() < end:
        os.kill(1, signal.SIGCHLD)


@hostile(guard="pids")
def crowds():
    """Saturate the CPU with many processes, so that the guest is starved."""
    for _ in range(_tools.required(_tools.pids_limit(), "processes") * 3 // 4):
        _tools.fork(_tools.spin, _tools.CHILD_S)
    _tools.spin()


@hostile(guard="pids")
def crowds_idle_guest():
    """Give the guest the lowest priority, then saturate the CPU."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 1, 19)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))
    crowds()


@hostile(guard="memory")
def litters():
    """Leave so many files that the guest's cleanup takes longer than allowed, and never return."""
    os.mkdir("/tmp/many")
    folder = os.open("/tmp/many", os.O_RDONLY)
    for number in range(100_000):
        os.mknod(str(number), dir_fd=folder)
    _tools.rest()


def stands_still():
    """Freeze every clock of Python, and wait for a clock to advance."""
    frozen = time.monotonic()
    for name in ("monotonic", "time", "perf_counter", "process_time", "thread_time"):
        setattr(time, name, lambda: frozen)
        setattr(time, f"{name}_ns", lambda: int(frozen * 1e9))
    time.sleep = lambda _seconds: None
    end = _tools.EVER_S + _tools.now()
    while time.monotonic() <= frozen and _tools.now() < end:
        pass


def stretches_context(context):
    """Extend the time limit in the context to a day, and work until it is over."""
    object.__setattr__(context, "time_limit_s", 86_400.0)
    object.__setattr__(context, "started_s", context.started_s + 86_400.0)
    type(context).elapsed_s = property(lambda _self: 0.0)
    end = _tools.now() + _tools.EVER_S
    while context.remaining_s > 1.0 and _tools.now() < end:
        time.sleep(0.01)


def patches_everything(model):
    """Replace all functions of the guest in its own process that might read a clock, and never return."""
    import harness_guest.child
    import harness_guest.linux
    import harness_guest.watch

    for module in (harness_guest.child, harness_guest.watch, harness_guest.linux):
        for name, value in vars(module).copy().items():
            if callable(value) and not name.startswith("__"):
                setattr(module, name, lambda *_args, **_options: None)
    os.kill = os._exit = lambda *_args: None
    _tools.rest()


def returns_late(context):
    """Return a complete model just after the limit."""
    _tools.rest(context.time_limit_s + 0.05)


def sleeps_in_state(model):
    """Return at once a model with a state that never finishes loading."""
    model.register_state_dict_pre_hook(lambda *_: _tools.rest())


def sleeps_in_error():
    """Raise an exception with a text that never finishes."""

    class SlowError(Exception):
        def __str__(self):
            _tools.rest()
            return "at last"

    raise SlowError


@hostile("ok", limit_s=30.0)
def sleeps_in_destructor(model):
    """Return at once, and sleep in destructors, at exit, and in a thread."""
    import atexit

    class Slow:
        def __del__(self):
            _tools.rest()

    model.slow = [Slow()]
    model.slow.append(model.slow)
    atexit.register(_tools.rest)
    threading.Thread(target=_tools.rest).start()


@hostile("ok", limit_s=30.0)
def sets_clock():
    """Set the system clock back by a day."""
    _tools.refused(lambda: time.clock_settime(time.CLOCK_REALTIME, time.time() - 86_400), "setting the system clock")
