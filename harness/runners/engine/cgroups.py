"""Counters and limits of a container's cgroup, read from this machine's kernel.

If the engine runs elsewhere (in a virtual machine or on another host), nothing can be read and all values are None.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
UNLIMITED_BYTES = 1 << 60


@dataclass(frozen=True)
class Cgroup:
    """The cgroup of one container.

    Attributes:
        version: cgroup version, 1 or 2.
        paths: controller -> folder; under version 2 a single folder under the key "".
    """

    version: int
    paths: dict[str, Path]

    @classmethod
    def of(cls, pid: int, container_id: str, root: Path = ROOT, proc: Path = Path("/proc")) -> Cgroup | None:
        """Return the cgroup of process ``pid``; None unless it is readable here and verified to belong to the container."""
        try:
            lines = (proc / str(pid) / "cgroup").read_text(errors="replace").splitlines()
        except OSError:
            return None
        paths: dict[str, Path] = {}
        for line in lines:
            _, controllers, path = line.split(":", 2) if line.count(":") > 1 else ("", "", "")
            # The PID may come from another machine and denote an unrelated process here.
            if container_id not in path:
                continue
            for controller in controllers.split(","):
                folder = root / controller / path.lstrip("/")
                if os.path.isdir(folder):  # noqa: PTH112 -- Path.is_dir raises where a name is too long
                    paths[controller] = folder
        if not paths:
            return None
        return cls(2 if "" in paths else 1, paths)

    def _read(self, controller: str, name: str) -> str | None:
        folder = self.paths.get("" if self.version == 2 else controller)
        try:
            return None if folder is None else (folder / name).read_text(errors="replace").strip()
        except OSError:
            return None

    def _entry(self, controller: str, name: str, key: str) -> int | None:
        """Return the number after ``key`` in a file of "key number" lines; None if there is none."""
        lines = (line.partition(" ") for line in (self._read(controller, name) or "").splitlines())
        return next((_number(value) for found, _, value in lines if found == key), None)

    def oom_kills(self) -> int | None:
        """Return the number of processes killed by the out-of-memory killer; None if unknown."""
        return self._entry("memory", "memory.events" if self.version == 2 else "memory.oom_control", "oom_kill")

    def refused_forks(self) -> int | None:
        """Return the number of forks refused by the process limit; None if unknown."""
        return self._entry("pids", "pids.events", "max")

    def cpu_s(self) -> float | None:
        """Return the CPU seconds used by the cgroup; None if unknown."""
        if self.version == 1:
            used_ns = _number(self._read("cpuacct", "cpuacct.usage"))
            return None if used_ns is None else used_ns / 1e9
        used_us = self._entry("cpu", "cpu.stat", "usage_usec")
        return None if used_us is None else used_us / 1e6

    def processes(self) -> int:
        """Return the number of processes; 0 once the group is gone."""
        text = self._read(next(iter(self.paths)), "cgroup.procs")
        return len((text or "").split())

    def memory_mib(self) -> int | None:
        """Return the memory limit in MiB; None if unknown or unlimited."""
        text = self._read("memory", "memory.max" if self.version == 2 else "memory.limit_in_bytes")
        limit = _number(text)
        return None if limit is None or limit >= UNLIMITED_BYTES else limit >> 20

    def pids(self) -> int | None:
        """Return the limit on processes and threads; None if unknown or unlimited."""
        return _number(self._read("pids", "pids.max"))

    def cpus(self) -> float | None:
        """Return the limit on CPU time in cores; None if unknown or unlimited."""
        if self.version == 2:
            quota, _, period = (self._read("cpu", "cpu.max") or "max 1").partition(" ")
        else:
            quota = self._read("cpu", "cpu.cfs_quota_us") or "-1"
            period = self._read("cpu", "cpu.cfs_period_us") or "1"
        limit, share = _number(quota), _number(period)
        return limit / share if limit is not None and limit > 0 and share else None


def _number(text: str | None) -> int | None:
    """Parse a number in a cgroup file; return None for "max", a missing value or any other text."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
