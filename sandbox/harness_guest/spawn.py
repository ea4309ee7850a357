"""Fork of a process for one model, with its pipes."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
import socket
from dataclasses import dataclass

from harness_guest.child import ChildEnds, Prepared, run_child
from harness_guest.protocol import Job

PIPE_BYTES = 1 << 20


@dataclass(frozen=True)
class Running:
    """A model's process and the guest's ends: the socket ``go`` is written, the pipes are read without blocking."""

    pid: int
    go: socket.socket
    report: int
    weights: int
    log: int


def fork_model(prepared: Prepared, job: Job, guests: tuple[int, ...]) -> Running:
    """Fork a process for one model; it keeps only its own ends of the pipes and the socket.

    Args:
        prepared, job: its instructions.
        guests: process ids of the guest, this process's the last.
    """
    go, go_child = socket.socketpair()
    go_read = go_child.detach()
    report_read, report_write = os.pipe()
    weights_read, weights_write = os.pipe()
    log_read, log_write = os.pipe()
    with contextlib.suppress(OSError):  # the user's pipe memory limit may be reached; this only costs speed
        fcntl.fcntl(weights_read, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE_BYTES)
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        go.detach()
        _close_all_but({go_read, report_write, weights_write, log_write})
        run_child(prepared, job, ChildEnds(go_read, report_write, weights_write, log_write), guests)
    for fd in (go_read, report_write, weights_write, log_write):
        os.close(fd)
    for fd in (report_read, weights_read, log_read):
        os.set_blocking(fd, False)
    return Running(pid, go, report_read, weights_read, log_read)


def _close_all_but(kept: set[int]) -> None:
    with os.scandir("/proc/self/fd") as entries:
        numbers = [int(entry.name) for entry in entries]
    for fd in numbers:
        if fd > 2 and fd not in kept:
            with contextlib.suppress(OSError):  # the listing's own descriptor is closed already
                os.close(fd)
