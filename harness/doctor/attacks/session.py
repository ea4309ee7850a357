"""Execution of attacks in a sandbox session like a run's, and observation of their effects."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Literal

import numpy as np
from typing_extensions import Self

from harness.core.outcomes import ModelOutcome, Status
from harness.doctor.attacks.assessing import Observation, assess
from harness.doctor.attacks.attack import Attack, Finding, Guard
from harness.doctor.attacks.environment import HONEST, LIMITS_PROBE, SPEC, AttackEnvironment
from harness.errors import SandboxError
from harness.runners.base import GuestHandle, GuestSetup
from harness.runners.session.greeting import hello_for
from harness.runners.session.session import Session
from harness.runners.session.weights import Manifest, State
from reference_models.networks.recipe import Recipe, to_json

Isolation = Literal["run", "model"]
QUIET_LIMIT_S = 60.0
"""Time limit of models that do not attack, seconds."""
REAP_AFTER_S = 3600.0
ENDING_S = 1.0
"""How long the process that served a model may take to end after its last frame; what an attack leaves lives longer."""
PAUSE_S = 0.01
GUARD_KEYS = {Guard.MEMORY: "memory_mib", Guard.PIDS: "pids", Guard.TMPFS: "tmpfs_mib", Guard.SHM: "shm_mib"}


class AttackSession:
    """A sandbox session that runs attacks; a context manager.

    Args:
        environment: the image, data and engine to use.
        isolation: "run" uses one warm guest for all models, "model" a new guest for each model.
    """

    def __init__(self, environment: AttackEnvironment, isolation: Isolation = "run") -> None:
        self._environment = environment
        self._runner = environment.runner()
        self._log_bytes = self._runner.facts.requested.log_bytes
        self._session = Session(
            self._start,
            hello_for(self._runner, environment.facts, to_json(SPEC), to_json(Recipe())),
            data=environment.data_file,
            manifest=Manifest.of(environment.original),
            isolation=isolation,
        )
        self._fresh = isolation == "model"
        self._seen: dict[str, int | None] | None = None
        self._counted = False
        self._guests: list[GuestHandle] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._session.close()

    def run(self, attack: Attack) -> Finding:
        """Run the attack, then an honest model, and assess the observation; a broken sandbox is a fault, not an error."""
        try:
            reason = None if attack.guard is None else self._unverified(attack.guard)
            if reason is not None:
                return Finding(attack, skipped=reason)
            return assess(attack, self._observe(attack))
        except SandboxError as error:
            return Finding(attack, faults=(f"the sandbox broke: {error}",))

    def _start(self) -> GuestHandle:
        self._seen = None
        handle = self._runner.start(GuestSetup(self._environment.run_id, REAP_AFTER_S))
        self._counted = handle.refused_forks() is not None
        self._guests = [*(guest for guest in self._guests if guest.processes() != 0), handle]
        return handle

    def unlearn(self, target: str, limit_s: float = QUIET_LIMIT_S) -> tuple[ModelOutcome, State | None]:
        """Run one model with the function ``target``, under a limit of ``limit_s`` seconds."""
        seed = self._environment.seeds[target]
        return self._session.unlearn(0, seed, self._environment.original, limit_s)

    def _observe(self, attack: Attack) -> Observation:
        results = [self.unlearn(attack.target, attack.limit_s) for _ in attack.expected]
        guests = len(self._environment.remains())
        survivors = survivors_in(self._guests, ENDING_S)
        # With a new container per model, an attack cannot harm the next model.
        honest, state = (None, None) if self._fresh else self.unlearn(HONEST, QUIET_LIMIT_S)
        return Observation(
            outcomes=tuple(outcome for outcome, _ in results),
            returned=tuple(weights is not None for _, weights in results),
            honest=honest,
            unharmed=state is not None and same_state(state, self._environment.original),
            survivors=survivors,
            guests=guests,
            counted=self._counted,
            log_bytes=self._log_bytes,
        )

    def _unverified(self, guard: Guard) -> str | None:
        """Return why the limit must not be attacked; None if the running container enforces it."""
        key = GUARD_KEYS[guard]
        wanted = getattr(self._runner.facts.requested, key)
        seen = self.visible_limits().get(key)
        effective = (self._runner.facts.effective or {}).get(key)
        if wanted is not None and seen == wanted == effective:
            return None
        return (
            f"the limit on {guard.value} is not verified: {wanted} was requested, the engine reports {effective}, "
            f"the container sees {seen}"
        )

    def visible_limits(self) -> dict[str, int | None]:
        """Return the limits as seen inside the running container; empty if they could not be read."""
        if self._seen is None:
            outcome, _ = self.unlearn(LIMITS_PROBE, QUIET_LIMIT_S)
            self._seen = json.loads(outcome.log.head) if outcome.status is Status.OK else {}
        return self._seen


def survivors_in(guests: Sequence[GuestHandle], ending_s: float) -> int | None:
    """Count the processes besides the first of each living guest; None if they are not visible from the host.

    Args:
        guests: to look into.
        ending_s: how long to wait for the last of them to exit, seconds.
    """
    deadline = time.monotonic() + ending_s
    while (found := _beside_the_first(guests)) and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
    return found


def _beside_the_first(guests: Sequence[GuestHandle]) -> int | None:
    counts = [guest.processes() for guest in guests]
    return None if None in counts else sum(max(0, count - 1) for count in counts if count is not None)


def same_state(state: State, original: State) -> bool:
    """Return True if both have the same arrays."""
    return state.keys() == original.keys() and all(
        state[name].dtype == array.dtype and np.array_equal(state[name], array) for name, array in original.items()
    )
