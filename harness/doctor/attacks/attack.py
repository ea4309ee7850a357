"""Data model of an attack and its finding."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Literal

from harness.core.outcomes import Status

Promise = Literal[1, 2, 3, 4, 5, 6]

PROMISES: dict[Promise, str] = {
    1: "no network, no privileges, limited resources",
    2: "it sees model, retain, forget and validation, nothing else",
    3: "one clock, which the plugin cannot stop",
    4: "nothing untrusted is unpickled or accepted unchecked",
    5: "a failure is a value, with its true cause",
    6: "nothing is left behind",
}
"""The sandbox's promises; the threat model states them in full."""

REACHED = "REACHED: "
"""Prefix of the line that an attack prints when it got something forbidden."""


class Guard(enum.Enum):
    """A resource limit that must be verified from inside the container before it may be attacked."""

    MEMORY = "memory"
    PIDS = "pids"
    TMPFS = "tmpfs"
    SHM = "shm"


@dataclass(frozen=True)
class Attack:
    """An attack by a hostile plugin.

    Attributes:
        name: unique, ``snake_case``.
        target: "module:function" inside the package ``harness_attacks`` (folder ``sandbox/attacks``). The function takes any of
            the arguments (model, retain, forget, validation, context) and runs as the hook. All other attributes are in its mark.
        promise: the promise that it tries to break.
        tries: a phrase for the table, without a full stop, in the imperative ("Ignore SIGTERM, and sleep forever").
        expected: the exact status of each model, in order. Most attacks have one model. An attack that leaves something for the
            next model has two, which run in the same guest if the isolation is ``run``.
        limit_s: time limit of each model, seconds; small (1.0) only if the attack never returns.
        guard: resource limit to verify first.
        defeated_by: the weakest isolation that defeats the attack; "model" if ``run`` does not.
        prints_bytes: exact number of ASCII characters that it prints, to check the count of captured and dropped bytes.
    """

    name: str
    target: str
    promise: Promise
    tries: str
    expected: tuple[Status, ...]
    limit_s: float = 30.0
    guard: Guard | None = None
    defeated_by: Literal["run", "model"] = "run"
    prints_bytes: int | None = None


@dataclass(frozen=True)
class Finding:
    """The result of an attack.

    Attributes:
        attack: the attack.
        statuses: statuses of its models, in order.
        faults: failures of the sandbox, one sentence each; empty if it withstood the attack.
        overshoot_s: the longest time from a model's limit until all of its processes were dead, seconds; None if no limit was
            reached.
        skipped: why the attack was not run (the resource limit was not verified), or None.
    """

    attack: Attack
    statuses: tuple[Status, ...] = ()
    faults: tuple[str, ...] = field(default=())
    overshoot_s: float | None = None
    skipped: str | None = None

    @property
    def held(self) -> bool:
        """Return True if the attack was run and the sandbox withstood it."""
        return self.skipped is None and not self.faults
