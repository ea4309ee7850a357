"""A seccomp filter that a model's process installs on itself before any plugin code runs.

It complements the engine's filter. The guest has the plugin's user id, so without it a plugin could lower the guest's limits,
niceness, CPU affinity and scheduling class; a guest in the idle class neither ends a model in time nor dies in time when
killed. It also blocks what some engines allow: io_uring, the kernel's key store (shared by containers of one user id), socket
families without namespaces, and new user namespaces. Standard library only.

The program is classic BPF over ``struct seccomp_data`` (seccomp(2)): each rule compares the system call number and the low half
of one argument, and returns an action.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 1, 1
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # LD|W|ABS, JEQ|K, JGE|K, JSET|K, RET|K
ALLOW, ANSWER = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE, FIRST, SECOND = 0, 4, 16, 24  # offsets in struct seccomp_data; low halves of arguments
X32_BIT = 0x40000000
CLONE_NEWUSER = 0x10000000

ABSENT = ("io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key", "keyctl", "clone3")
"""Calls refused with ENOSYS, as by a kernel that lacks them. The C library then falls back from clone3 to clone, whose flags a
filter can inspect.
"""
ON_PROCESS = ("prlimit64", "sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr")
"""Calls with a process id as first argument; refused for the guest's."""
ON_OTHERS = {"setpriority": 0, "ioprio_set": 1}
"""Calls whose first argument gives the kind of id in the second -> the value for a process; groups and users would include the
guest.
"""
WITH_FLAGS = ("clone", "unshare")
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
"""Socket families separated by the network namespace; all others are refused."""

X86_64 = {
    "setpriority": 141,
    "ioprio_set": 251,
    "prlimit64": 302,
    "sched_setparam": 142,
    "sched_setscheduler": 144,
    "sched_setaffinity": 203,
    "sched_setattr": 314,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "clone": 56,
    "clone3": 435,
    "unshare": 272,
    "socket": 41,
    "socketpair": 53,
}
AARCH64 = {
    "setpriority": 140,
    "ioprio_set": 30,
    "prlimit64": 261,
    "sched_setparam": 118,
    "sched_setscheduler": 119,
    "sched_setaffinity": 122,
    "sched_setattr": 274,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "clone": 220,
    "clone3": 435,
    "unshare": 97,
    "socket": 198,
    "socketpair": 199,
}
MACHINES = {"x86_64": (0xC000003E, X86_64), "aarch64": (0xC00000B7, AARCH64)}
SECCOMP = {"x86_64": 317, "aarch64": 277}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def confine(guests: tuple[int, ...]) -> bool:
    """Install the filter on all threads of this process and their children; it cannot be removed.

    Threads exist already: torch's, from loading the model, and a GPU driver's. In a thread without the filter, any code of this
    process could run. System calls of other architectures, which would bypass the filter, are refused too.

    Args:
        guests: process ids whose limits and priorities are protected from now on.

    Returns:
        True if the filter is in force; False if system call numbers of this machine are unknown, or the kernel has no seccomp.
    """
    code = filter_for(guests)
    if code is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = _Program(len(code) // 8, code)
    unused = ctypes.c_ulong(0)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), unused, unused, unused) != 0:
        return False
    number, mode = ctypes.c_long(SECCOMP[os.uname().machine]), ctypes.c_ulong(SECCOMP_SET_MODE_FILTER)
    every_thread = ctypes.c_ulong(SECCOMP_FILTER_FLAG_TSYNC)
    return bool(libc.syscall(number, mode, every_thread, ctypes.byref(instructions)) == 0)


def filter_for(guests: tuple[int, ...]) -> bytes | None:
    """Return the filter for this machine; None if its system call numbers are unknown."""
    known = MACHINES.get(os.uname().machine)
    return None if known is None or sys.byteorder != "little" else program(guests, *known)


def program(guests: tuple[int, ...], architecture: int, numbers: dict[str, int]) -> bytes:
    """Return the filter as an array of ``struct sock_filter``."""
    code = [
        _step(LOAD, ARCHITECTURE),
        _step(EQUAL, architecture, 1, 0),
        _refuse(errno.EPERM),
        _step(LOAD, NUMBER),
        _step(AT_LEAST, X32_BIT, 0, 1),
        _refuse(errno.EPERM),
    ]
    for name in ABSENT:
        code += _rule(numbers[name], [_refuse(errno.ENOSYS)])
    for name in ON_PROCESS:
        code += _rule(numbers[name], [_step(LOAD, FIRST), *_refuse_any(guests)])
    for name, process in ON_OTHERS.items():
        others = [_step(LOAD, FIRST), _step(EQUAL, process, 1, 0), _refuse(errno.EPERM)]
        code += _rule(numbers[name], [*others, _step(LOAD, SECOND), *_refuse_any(guests)])
    for name in WITH_FLAGS:
        code += _rule(numbers[name], [_step(LOAD, FIRST), _step(ANY_BIT, CLONE_NEWUSER, 0, 1), _refuse(errno.EPERM)])
    for name in ("socket", "socketpair"):
        known = [_step(EQUAL, family, len(FAMILIES) - place, 0) for place, family in enumerate(FAMILIES)]
        code += _rule(numbers[name], [_step(LOAD, FIRST), *known, _refuse(errno.EAFNOSUPPORT)])
    return b"".join([*code, _step(RETURN, ALLOW)])


def _rule(number: int, refusal: list[bytes]) -> list[bytes]:
    """Return instructions that refuse some calls of this number and allow the rest; other numbers continue after them."""
    body = [*refusal, _step(RETURN, ALLOW)]
    return [_step(EQUAL, number, 0, len(body)), *body]


def _refuse_any(values: tuple[int, ...]) -> list[bytes]:
    return [step for value in values for step in (_step(EQUAL, value, 0, 1), _refuse(errno.EPERM))]


def _refuse(reason: int) -> bytes:
    return _step(RETURN, ANSWER | reason)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value & 0xFFFFFFFF)
