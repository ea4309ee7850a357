"""The first process of a container as this machine's kernel knows it: killed, and seen to be dead, without the engine.

An engine that hangs, or is stopped, must not keep a plugin alive beyond its limit. Where the engine is another machine's, or this
user may not signal the container's processes, there is nothing here, and the engine is asked as ever.
"""

from __future__ import annotations

import os
import select
import signal
import threading

from harness.runners.cgroups import Cgroup


class InitProcess:
    """A hold on one process, safe from its number being given to another. Made by :meth:`of`."""

    def __init__(self, pidfd: int) -> None:
        self._pidfd = pidfd
        self._lock = threading.Lock()

    @classmethod
    def of(cls, pid: int, container_id: str) -> tuple[InitProcess | None, Cgroup | None]:
        """The container's first process and control group, as far as both can be reached from here."""
        try:
            pidfd = os.pidfd_open(pid)
        except (AttributeError, OSError):  # an old kernel, or no such process on this machine
            return None, Cgroup.of(pid, container_id)
        # Looked up after the process was got hold of: if it is in the container's group, it is the container's.
        cgroup = Cgroup.of(pid, container_id)
        if cgroup is None or not _may_signal(pidfd):
            os.close(pidfd)
            return None, cgroup
        return cls(pidfd), cgroup

    def kill(self, wait_s: float) -> bool:
        """Kill it, and with it all of the container; returns whether it is dead, for which ``wait_s`` are waited."""
        with self._lock:
            if self._pidfd < 0:
                return False
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:
                return True
            except OSError:
                return False
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            return bool(poll.poll(1000 * wait_s))

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            if self._pidfd >= 0:
                os.close(self._pidfd)
                self._pidfd = -1


def _may_signal(pidfd: int) -> bool:
    try:
        signal.pidfd_send_signal(pidfd, 0)
    except OSError:
        return False
    return True
