"""Attacks that change process attributes that the next model inherits from the guest: rlimits, priorities, affinity."""

from __future__ import annotations

import os
import resource

from harness_attacks._kernel import call
from harness_attacks._marks import attack
from harness_attacks._tools import reached

hostile = attack("ok", "ok", promise=2)

GUEST = 1
ODD_LIMIT = 1013
SCHED_IDLE = 5


def _guest_limits(left, *kinds):
    """Lower rlimits of the guest, which the kernel allows for a process of the same user."""
    for kind in kinds:
        if resource.getrlimit(kind)[0] == left:
            reached(f"limit {kind} is {left}")
        _try(lambda kind=kind: resource.prlimit(GUEST, kind, (left, left)))


def _try(action):
    """Call ``action``; ignore a refusal by the kernel."""
    try:
        action()
    except OSError:
        return


guest_limits = hostile(
    lambda: _guest_limits(ODD_LIMIT, resource.RLIMIT_NOFILE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_SIGPENDING),
    "Set the guest's limits on descriptors, locked memory and pending signals to an unusual number.",
)
guest_no_files = hostile(
    lambda: _guest_limits(3, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE),
    "Lower the guest's limits on descriptors and file size so far that it cannot open or write files.",
)
guest_no_processes = hostile(
    lambda: _guest_limits(0, resource.RLIMIT_NPROC), "Set the guest's limit on processes to zero."
)
guest_no_memory = hostile(
    lambda: _guest_limits(1 << 16, resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_STACK),
    "Lower the guest's limits on address space, data and stack so far that it cannot allocate memory.",
)


def guest_cpu_time():
    """Set the guest's limit on CPU time below its usage, so that the kernel kills it."""
    _guest_limits(1, resource.RLIMIT_CPU)
    for _ in range(2000):
        print("work for the guest" * 200)


def guest_scheduling():
    """Change the guest's niceness, CPU affinity, scheduling class and I/O priority."""
    odd = 3 << 13
    if os.getpriority(os.PRIO_PROCESS, 0) == 11 or os.sched_getscheduler(0) == SCHED_IDLE:
        reached("priorities of an earlier model")
    if len(os.sched_getaffinity(0)) == 1 < (os.cpu_count() or 1) or call("ioprio_get", 1, 0)[0] == odd:
        reached("cores or disk priority of an earlier model")
    _try(lambda: os.setpriority(os.PRIO_PROCESS, GUEST, 11))
    _try(lambda: os.sched_setaffinity(GUEST, {min(os.sched_getaffinity(0))}))
    _try(lambda: os.sched_setscheduler(GUEST, SCHED_IDLE, os.sched_param(0)))
    call("ioprio_set", 1, GUEST, odd)


def user_niceness():
    """Raise the niceness of all processes of the user."""
    if os.getpriority(os.PRIO_PROCESS, 0) == 5:
        reached("niceness")
    _try(lambda: os.setpriority(os.PRIO_USER, os.getuid(), 5))
