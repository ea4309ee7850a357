"""System calls that Python does not wrap, made by number if the C library has no function for them."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable

from harness_attacks._tools import reached

REFUSALS = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EROFS})
"""Error numbers by which the kernel or the sandbox's seccomp filter refuses a call."""

NUMBERS = {
    "x86_64": {
        "add_key": 248,
        "adjtimex": 159,
        "bpf": 321,
        "init_module": 175,
        "io_uring_setup": 425,
        "ioprio_get": 252,
        "ioprio_set": 251,
        "kexec_load": 246,
        "keyctl": 250,
        "open_by_handle_at": 304,
        "perf_event_open": 298,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pivot_root": 155,
        "prlimit64": 302,
        "reboot": 169,
        "syslog": 103,
        "userfaultfd": 323,
    },
    "aarch64": {
        "add_key": 217,
        "adjtimex": 171,
        "bpf": 280,
        "init_module": 105,
        "io_uring_setup": 425,
        "ioprio_get": 31,
        "ioprio_set": 30,
        "kexec_load": 104,
        "keyctl": 219,
        "open_by_handle_at": 265,
        "perf_event_open": 241,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pivot_root": 41,
        "prlimit64": 261,
        "reboot": 142,
        "syslog": 116,
        "userfaultfd": 282,
    },
}

Hook = Callable[..., None]
LIBC = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> tuple[int, int]:
    """Call a function of the C library, or a system call by number; return its result and errno (0 on success)."""
    number = NUMBERS.get(os.uname().machine, {}).get(name)
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    ctypes.set_errno(0)
    result = LIBC.syscall(ctypes.c_long(number), *words) if number else getattr(LIBC, name)(*words)
    return result, ctypes.get_errno() if result == -1 else 0


def refused(name: str, *arguments: object) -> Hook:
    """Return a hook that makes a call that the sandbox must refuse, even if its arguments are invalid."""

    def hook() -> None:
        result, number = call(name, *arguments)
        if number not in REFUSALS:
            reached(f"{name}() returned {result}, {errno.errorcode.get(number, 'no error')}")

    return hook
