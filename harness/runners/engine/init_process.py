"""The init process (PID 1) of a container, killed through the kernel instead of through the engine.

An engine that hangs must not keep a plugin alive beyond its limit. If the engine runs on another machine, or this user may not
signal the container's processes, there is no :class:`InitProcess` and the engine's API is used.
"""

from __future__ import annotations

import os
import select
import signal
import threading

from harness.runners.engine.cgroups import Cgroup


class InitProcess:
    """A pidfd for the container's init process, immune to PID reuse. Create it with :meth:`of`."""

    def __init__(self, pidfd: int) -> None:
        self._pidfd = pidfd
        self._lock = threading.Lock()

    @classmethod
    def of(cls, pid: int, container_id: str) -> tuple[InitProcess | None, Cgroup | None]:
        """Return the container's init process and cgroup; each None if it is not accessible from here."""
        try:
            pidfd = os.pidfd_open(pid)
        except (AttributeError, OSError):  # kernel without pidfd, or the process is on another machine
            return None, Cgroup.of(pid, container_id)
        # Looked up after the pidfd was opened: a process in the container's cgroup belongs to the container.
        cgroup = Cgroup.of(pid, container_id)
        if cgroup is None or not _may_signal(pidfd):
            os.close(pidfd)
            return None, cgroup
        return cls(pidfd), cgroup

    def kill(self, wait_s: float) -> bool:
        """Kill it, and with it the whole container; return True if it is dead within ``wait_s`` seconds."""
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
        """Close the pidfd."""
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
