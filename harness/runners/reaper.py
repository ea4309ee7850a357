"""Labels that say whose a container is and until when, and the removal of those that nobody holds any more."""

from __future__ import annotations

import atexit
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple
from functools import lru_cache

from harness.errors import HarnessError
from harness.runners.engine import Engine
from harness.runners.owners import Owner

RUN, DEADLINE = "harness.run", "harness.deadline-epoch-s"
HOST_PID, HOST_START, HOST_BOOT, HOST_PIDNS = (
    "harness.pid",
    "harness.pid-start",
    "harness.boot",
    "harness.pid-namespace",
)
EPOCH_S = re.compile(r"[0-9]{1,12}")
OWNER = (HOST_PID, HOST_START, HOST_BOOT, HOST_PIDNS)
"""The labels that name the host process, in the order of an :class:`~harness.runners.owners.Owner`'s fields."""


def owner_labels(run_id: str, deadline_s: float) -> dict[str, str]:
    """Labels for a container that this process starts now.

    Args:
        run_id: of the run.
        deadline_s: seconds from now after which a run that cannot see this process may remove the container.
    """
    return {
        RUN: run_id,
        DEADLINE: str(int(time.time() + deadline_s)),
        **_own_labels(),
    }


def _own_labels() -> dict[str, str]:
    return dict(zip(OWNER, astuple(Owner.current()), strict=True))


def reap(engine: Engine) -> list[str]:
    """Remove our containers that nobody holds, see :func:`orphaned`; returns their names.

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
    with suppress(HarnessError):
        for state in engine.containers(_own_labels()):
            engine.remove(state.id)


def orphaned(labels: Mapping[str, str]) -> bool:
    """Return True if nobody holds a container with these labels: its host process is dead.

    Only where that process could not be seen from here (another boot, machine or pid namespace) does the deadline decide: a
    wall clock may be set, and a suspended machine sleeps past any deadline, while the run goes on.
    """
    lives = owner_of(labels).lives()
    if lives is not None:
        return not lives
    deadline = labels.get(DEADLINE, "")
    return not EPOCH_S.fullmatch(deadline) or int(deadline) < time.time()


def owner_of(labels: Mapping[str, str]) -> Owner:
    """Return the process that a container's labels name."""
    return Owner(*(labels.get(name, "") for name in OWNER))
