"""Plugins that change what the guest hands down to the next model: limits, priorities, cores."""

from __future__ import annotations

import os
import resource

from harness_attacks._kernel import call
from harness_attacks._tools import reached

GUEST = 1
ODD_LIMIT = 1013
SCHED_IDLE = 5


def _guest_limits(left, *kinds):
    """Lower limits of the guest, which the kernel grants to a process of the same user."""
    for kind in kinds:
        if resource.getrlimit(kind)[0] == left:
            reached(f"limit {kind} is {left}")
        _try(lambda kind=kind: resource.prlimit(GUEST, kind, (left, left)))


def _try(action):
    """Do what the kernel may refuse."""
    try:
        action()
    except OSError:
        return


def guest_limits():
    """The guest's limits on descriptors, core files and locked memory, all of one odd number."""
    _guest_limits(ODD_LIMIT, resource.RLIMIT_NOFILE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_SIGPENDING)


def guest_no_files():
    """The guest's limits on descriptors and the size of files, so low that it can open and write nothing."""
    _guest_limits(3, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)


def guest_no_processes():
    """The guest's limit on processes, so low that it can start none."""
    _guest_limits(0, resource.RLIMIT_NPROC)


def guest_no_memory():
    """The guest's limits on address space, data and stack, so low that it gets no more memory."""
    _guest_limits(1 << 16, resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_STACK)


def guest_cpu_time():
    """The guest's limit on CPU time, used up long since: the kernel itself then kills it."""
    _guest_limits(1, resource.RLIMIT_CPU)
    for _ in range(2000):
        print("work for the guest" * 200)


def guest_scheduling():
    """The guest's niceness, cores, class of scheduling and priority at the disk."""
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
    """The niceness of all processes of the user."""
    if os.getpriority(os.PRIO_PROCESS, 0) == 5:
        reached("niceness")
    _try(lambda: os.setpriority(os.PRIO_USER, os.getuid(), 5))
