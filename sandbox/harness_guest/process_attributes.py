"""Snapshot of inheritable process attributes (rlimits, nice, affinity, scheduler), to detect tampering between models.

A plugin has the guest's user id and may therefore lower the guest's limits, niceness, CPU affinity and scheduling class; the next
model would inherit them. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import resource

IOPRIO_GET = {"x86_64": 252, "aarch64": 31}
IOPRIO_WHO_PROCESS = 1
SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}
SCHED_ATTR_BYTES = 56  # of the first version of the structure with all fields
LIMITS = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))


def process_attributes(pid: int) -> dict[str, object]:
    """Return the limits, niceness, CPU affinity, scheduling class and I/O priority of a process, by name."""
    found: dict[str, object] = {name: resource.prlimit(pid, getattr(resource, name)) for name in LIMITS}
    found["niceness"] = os.getpriority(os.PRIO_PROCESS, pid)
    found["cores"] = sorted(os.sched_getaffinity(pid))
    found["scheduling class"] = os.sched_getscheduler(pid)
    number = IOPRIO_GET.get(os.uname().machine)
    if number is not None:
        found["disk priority"] = ctypes.CDLL(None).syscall(number, IOPRIO_WHO_PROCESS, pid)
    found["scheduling details"] = _scheduling_details(pid)
    return found


def _scheduling_details(pid: int) -> bytes:
    """Return the structure of sched_getattr(2), which includes the time slice; empty if the call is unavailable."""
    number = SCHED_GETATTR.get(os.uname().machine)
    told = ctypes.create_string_buffer(SCHED_ATTR_BYTES)
    if number is None or ctypes.CDLL(None).syscall(number, pid, told, SCHED_ATTR_BYTES, 0) != 0:
        return b""
    return told.raw


def changed(pid: int, before: dict[str, object]) -> list[str]:
    """Return the names of attributes that have changed."""
    now = process_attributes(pid)
    return [name for name, value in before.items() if now[name] != value]
