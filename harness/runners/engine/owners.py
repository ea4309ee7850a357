"""Identity of the process that owns a container or folder, and the check whether it is still alive.

A process is identified by its PID and start time, so neither PID reuse nor a change of the wall clock can mislead the check.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from harness.core.hardware import boot_id

PID = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True)
class Owner:
    """A process, identified across PID reuse, reboots and PID namespaces.

    Attributes:
        pid: process ID, in decimal.
        start: start time in clock ticks since boot.
        boot: boot ID of the machine.
        pid_namespace: PID namespace in which ``pid`` is valid.
    """

    pid: str
    start: str
    boot: str
    pid_namespace: str

    @classmethod
    def current(cls) -> Owner:
        """Return the identity of the current process."""
        return cls(str(os.getpid()), _start_time(os.getpid()) or "", boot_id(), _pid_namespace())

    @property
    def same_boot(self) -> bool:
        """Return True if the process was started since the last boot of this machine."""
        return self.boot == boot_id()

    def lives(self) -> bool | None:
        """Return True if the process is alive, False if not, None if it cannot be seen (another boot or PID namespace)."""
        if not self.same_boot or self.pid_namespace != _pid_namespace():
            return None
        return PID.fullmatch(self.pid) is not None and _start_time(int(self.pid)) == self.start


def _start_time(pid: int) -> str | None:
    """Return a process's start time in clock ticks since boot; None if it does not exist or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "unknown"
