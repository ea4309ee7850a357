"""Which process something belongs to, and whether that process lives: by its number and start time, never by the wall clock."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from harness.hardware import boot_id

PID = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True)
class Owner:
    """A process of some machine.

    Attributes:
        pid: its number, in decimal.
        start: when it began, in the kernel's ticks since boot.
        boot: of the machine.
        pid_namespace: in which the number is its own.
    """

    pid: str
    start: str
    boot: str
    pid_namespace: str

    @classmethod
    def current(cls) -> Owner:
        """Return this process."""
        return cls(str(os.getpid()), _start_time(os.getpid()) or "", boot_id(), _pid_namespace())

    @property
    def same_boot(self) -> bool:
        """Whether it belongs to this boot of this machine."""
        return self.boot == boot_id()

    def lives(self) -> bool | None:
        """Return whether the process is there; None where that cannot be seen from here."""
        if not self.same_boot or self.pid_namespace != _pid_namespace():
            return None
        return PID.fullmatch(self.pid) is not None and _start_time(int(self.pid)) == self.start


def _start_time(pid: int) -> str | None:
    """Return when a process began, in the kernel's ticks since boot; None when there is no such process or it is a zombie."""
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
