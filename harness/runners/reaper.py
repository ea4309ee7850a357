"""Labels that say whose a container is and until when, and the removal of those that nobody holds any more."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from harness.errors import HarnessError
from harness.runners.engine import Engine

RUN, DEADLINE = "harness.run", "harness.deadline-epoch-s"
HOST_PID, HOST_START, HOST_BOOT, HOST_PIDNS = (
    "harness.pid",
    "harness.pid-start",
    "harness.boot",
    "harness.pid-namespace",
)


def owner_labels(run_id: str, deadline_s: float) -> dict[str, str]:
    """Labels for a container that this process starts now.

    Args:
        run_id: of the run.
        deadline_s: seconds from now after which any later run may remove the container.
    """
    return {
        RUN: run_id,
        DEADLINE: str(int(time.time() + deadline_s)),
        HOST_PID: str(os.getpid()),
        HOST_START: _start_time(os.getpid()) or "",
        HOST_BOOT: _boot_id(),
        HOST_PIDNS: _pid_namespace(),
    }


def reap(engine: Engine) -> list[str]:
    """Remove our containers whose deadline has passed or whose host process is dead; returns their names.

    Raises:
        SandboxError: the engine failed.
    """
    orphans = [state for state in engine.containers({RUN: None}) if orphaned(state.labels)]
    for state in orphans:
        engine.remove(state.id)
    return [state.name for state in orphans]


@lru_cache
def remove_own_at_exit(engine: Engine) -> None:
    """When this process ends, remove what an interruption, between creating a container and keeping hold of it, has left."""
    atexit.register(remove_own, engine)


def remove_own(engine: Engine) -> None:
    """Remove every container that this process has started. A failure is not raised: any later run can remove them."""
    labels = owner_labels("", 0.0)
    mine = {name: labels[name] for name in (HOST_PID, HOST_START, HOST_BOOT, HOST_PIDNS)}
    with suppress(HarnessError):
        for state in engine.containers(mine):
            engine.remove(state.id)


def orphaned(labels: Mapping[str, str]) -> bool:
    """Whether a container with these labels is nobody's: its deadline has passed or its host process is dead."""
    deadline = labels.get(DEADLINE, "")
    if not deadline.isdecimal() or int(deadline) < time.time():
        return True
    if labels.get(HOST_BOOT) != _boot_id() or labels.get(HOST_PIDNS) != _pid_namespace():
        # Its host process is none that could be seen from here: only the deadline tells.
        return False
    pid = labels.get(HOST_PID, "")
    alive = _start_time(int(pid)) if pid.isdecimal() else None
    return alive is None or alive != labels.get(HOST_START)


def _start_time(pid: int) -> str | None:
    """When a process began, in the kernel's ticks since boot; None when there is no such process or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "unknown"
