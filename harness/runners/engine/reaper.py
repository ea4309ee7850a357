"""Labels with a container's owner and deadline, and the removal of orphaned containers."""

from __future__ import annotations

import atexit
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple
from functools import lru_cache

from harness.errors import HarnessError
from harness.runners.engine.client import Engine
from harness.runners.engine.owners import Owner

RUN, DEADLINE = "harness.run", "harness.deadline-epoch-s"
HOST_PID, HOST_START, HOST_BOOT, HOST_PIDNS = (
    "harness.pid",
    "harness.pid-start",
    "harness.boot",
    "harness.pid-namespace",
)
EPOCH_S = re.compile(r"[0-9]{1,12}")
OWNER = (HOST_PID, HOST_START, HOST_BOOT, HOST_PIDNS)
"""Labels that identify the host process, in the order of :class:`~harness.runners.engine.owners.Owner`'s fields."""


def owner_labels(run_id: str, deadline_s: float) -> dict[str, str]:
    """Return the labels of a container that this process is about to start.

    Args:
        run_id: ID of the run.
        deadline_s: seconds from now after which a run that cannot check this process may remove the container.
    """
    return {
        RUN: run_id,
        DEADLINE: str(int(time.time() + deadline_s)),
        **_own_labels(),
    }


def _own_labels() -> dict[str, str]:
    return dict(zip(OWNER, astuple(Owner.current()), strict=True))


def reap(engine: Engine) -> list[str]:
    """Remove orphaned containers of the harness (see :func:`orphaned`); return their names.

    Raises:
        SandboxError: if the engine failed.
    """
    orphans = [state for state in engine.containers({RUN: None}) if orphaned(state.labels)]
    for state in orphans:
        engine.remove(state.id)
    return [state.name for state in orphans]


def reap_telling(engine: Engine, *, dry_run: bool) -> tuple[list[str], list[str]]:
    """Remove orphaned containers as :func:`reap` does, going on after a failure.

    Args:
        engine: engine with the containers.
        dry_run: only list them.

    Returns:
        One line per container, and notes on those that could not be checked or removed.

    Raises:
        SandboxError: the engine cannot list containers.
    """
    removed, notes = [], []
    for state in engine.containers({RUN: None}):
        if orphaned(state.labels):
            try:
                if not dry_run:
                    engine.remove(state.id)
                removed.append(f"container {state.name}")
            except HarnessError as error:
                notes.append(f"The container {state.name} could not be removed: {error}")
        elif owner_of(state.labels).lives() is None:
            until = time.strftime("%Y-%m-%d %H:%M", time.localtime(int(state.labels[DEADLINE])))
            notes.append(
                f"The container {state.name} was kept, because its run cannot be checked from here (it was started before "
                f"this boot or in another container). It can be reaped after {until}, or now with "
                f"`{'podman' if engine.podman else 'docker'} rm -f {state.name}`."
            )
    return removed, notes


@lru_cache
def remove_own_at_exit(engine: Engine) -> None:
    """Register an exit handler that removes containers left by an interruption between creation and tracking."""
    atexit.register(remove_own, engine)


def remove_own(engine: Engine) -> None:
    """Remove every container started by this process. Failures are ignored: a later run will reap the containers."""
    with suppress(HarnessError):
        for state in engine.containers(_own_labels()):
            engine.remove(state.id)


def orphaned(labels: Mapping[str, str]) -> bool:
    """Return True if a container with these labels is orphaned: its host process is dead.

    The deadline decides only if that process cannot be checked from here (another boot, machine or PID namespace). A deadline
    is less reliable: the wall clock may be changed, and a suspended machine sleeps past it while its run is still valid.
    """
    lives = owner_of(labels).lives()
    if lives is not None:
        return not lives
    deadline = labels.get(DEADLINE, "")
    return not EPOCH_S.fullmatch(deadline) or int(deadline) < time.time()


def owner_of(labels: Mapping[str, str]) -> Owner:
    """Return the owner process recorded in a container's labels."""
    return Owner(*(labels.get(name, "") for name in OWNER))
