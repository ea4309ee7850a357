"""Carries attacks out, one after another, in a session like any run's, and looks at what each has left."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Literal

import numpy as np
from typing_extensions import Self

from harness.attacks.assessing import Scene, assess
from harness.attacks.ground import HONEST, LOOK, SPEC, Ground, left_on
from harness.attacks.model import Attack, Finding, Guard
from harness.errors import SandboxError
from harness.outcomes import ModelOutcome, Status
from harness.runners.base import GuestSetup
from harness.runners.cgroups import Cgroup
from harness.runners.docker_handle import DockerHandle
from harness.runners.engine_types import ContainerState
from harness.runners.session import Session
from harness.runners.weights import Manifest, State
from harness_guest.protocol import Hello
from reference_models.recipe import Recipe, to_json

Isolation = Literal["run", "model"]
QUIET_LIMIT_S = 60.0
"""Limit of models that attack nothing, seconds."""
REAP_AFTER_S = 3600.0
ENDING_S = 1.0
"""How long the process that served a model may take to end after its last frame; what an attack leaves lives longer."""
PAUSE_S = 0.01
GUARD_KEYS = {Guard.MEMORY: "memory_mib", Guard.PIDS: "pids", Guard.TMPFS: "tmpfs_mib", Guard.SHM: "shm_mib"}


class Drill:
    """One session in which attacks are carried out; a context manager.

    Args:
        ground: on which.
        isolation: "run" keeps one warm guest for all, "model" takes a fresh one for every model.
        memory_mib: of the container; None for the usual.
    """

    def __init__(self, ground: Ground, isolation: Isolation = "run", memory_mib: int | None = None) -> None:
        self._ground = ground
        self._runner = ground.runner(memory_mib)
        self._log_bytes = self._runner.facts.requested.log_bytes
        self._session = Session(
            self._start,
            self._hello(),
            data=ground.data_file,
            manifest=Manifest.of(ground.original),
            isolation=isolation,
        )
        self._fresh = isolation == "model"
        self._seen: dict[str, int | None] | None = None
        self._counted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._session.close()

    def carry_out(self, attack: Attack) -> Finding:
        """Run the attack and then an honest model, and judge what was seen. A broken sandbox is a fault, not an error."""
        try:
            reason = None if attack.guard is None else self._unverified(attack.guard)
            if reason is not None:
                return Finding(attack, skipped=reason)
            return assess(attack, self._scene(attack))
        except SandboxError as error:
            return Finding(attack, faults=(f"the sandbox broke: {error}",))

    def _hello(self) -> Hello:
        paths, facts = self._runner.paths, self._ground.facts
        return Hello(
            plugin=facts.name,
            distribution=facts.distribution,
            model=to_json(SPEC),
            recipe=to_json(Recipe()),
            plugin_path=paths.plugin_path,
            scratch=list(paths.scratch),
            log_head_bytes=self._log_bytes // 2,
            log_tail_bytes=self._log_bytes // 2,
        )

    def _start(self) -> DockerHandle:
        self._seen = None
        handle = self._runner.start(GuestSetup(self._ground.run_id, REAP_AFTER_S))
        self._counted = handle.refused_forks() is not None
        return handle

    def _unlearn(self, target: str, limit_s: float) -> tuple[ModelOutcome, State | None]:
        seed = self._ground.seeds[target]
        return self._session.unlearn(0, seed, self._ground.original, limit_s)

    def _scene(self, attack: Attack) -> Scene:
        results = [self._unlearn(attack.target, attack.limit_s) for _ in attack.expected]
        containers = left_on(self._ground.engine, self._ground.run_id)
        survivors = survivors_in(containers, ENDING_S)
        # A fresh container for every model cannot have been harmed by the one before.
        honest, state = (None, None) if self._fresh else self._unlearn(HONEST, QUIET_LIMIT_S)
        return Scene(
            outcomes=tuple(outcome for outcome, _ in results),
            returned=tuple(weights is not None for _, weights in results),
            honest=honest,
            unharmed=state is not None and _same(state, self._ground.original),
            survivors=survivors,
            containers=len(containers),
            counted=self._counted,
            log_bytes=self._log_bytes,
        )

    def _unverified(self, guard: Guard) -> str | None:
        """Why the limit may not be attacked; None when it is seen in force in the container that is running now."""
        key = GUARD_KEYS[guard]
        wanted = getattr(self._runner.facts.requested, key)
        seen = self._look().get(key)
        effective = (self._runner.facts.effective or {}).get(key)
        if wanted is not None and seen == wanted == effective:
            return None
        return (
            f"the limit on {guard.value} is not surely in force: asked for {wanted}, the engine says {effective}, "
            f"inside {seen} is seen"
        )

    def _look(self) -> dict[str, int | None]:
        """The limits as the running container sees them; empty where it could not look."""
        if self._seen is None:
            outcome, _ = self._unlearn(LOOK, QUIET_LIMIT_S)
            self._seen = json.loads(outcome.log.head) if outcome.status is Status.OK else {}
        return self._seen


def survivors_in(containers: Sequence[ContainerState], ending_s: float) -> int | None:
    """Count the processes beside each running container's first; None where that cannot be seen from here.

    Args:
        containers: to look into.
        ending_s: how long to wait for there being none, seconds.
    """
    deadline = time.monotonic() + ending_s
    while (found := _beside_the_first(containers)) and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
    return found


def _beside_the_first(containers: Sequence[ContainerState]) -> int | None:
    total = 0
    for state in containers:
        if state.running:
            group = Cgroup.of(state.pid, state.id)
            if group is None:
                return None
            total += len((next(iter(group.paths.values())) / "cgroup.procs").read_text().split()) - 1
    return total


def _same(state: State, original: State) -> bool:
    return state.keys() == original.keys() and all(
        state[name].dtype == array.dtype and np.array_equal(state[name], array) for name, array in original.items()
    )
