"""What an attack is and what came of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Literal

from harness.outcomes import Status

Promise = Literal[1, 2, 3, 4, 5, 6]

PROMISES: dict[Promise, str] = {
    1: "no network, no privileges, limited resources",
    2: "it sees model, retain, forget and validation, nothing else",
    3: "one clock, which the plugin cannot stop",
    4: "nothing untrusted is unpickled or taken in unchecked",
    5: "a failure is a value, with its true cause",
    6: "nothing is left behind",
}
"""The sandbox's promises; the threat model says them in full."""

REACHED = "REACHED: "
"""An attack that got what it must not get prints a line that begins so."""


class Guard(enum.Enum):
    """A limit that must be seen in force from inside the container before an attack on it may run."""

    MEMORY = "memory"
    PIDS = "pids"
    TMPFS = "tmpfs"
    SHM = "shm"


@dataclass(frozen=True)
class Attack:
    """One thing that a hostile plugin tries.

    Attributes:
        name: unique, ``snake_case``.
        target: "module:function" inside the package ``harness_attacks`` (folder ``sandbox/attacks``). The function has the
            arguments (model, retain, forget, validation, context) and is run as the hook.
        promise: the one that it tries to break.
        tries: one sentence for the table, without a full stop, beginning with a verb ("ignores SIGTERM and sleeps for ever").
        expected: the exact status of each model, in order. Most attacks have one; one that leaves something for the next
            model has two, and is run on both in the same guest when the isolation is ``run``.
        limit_s: time limit of each model, seconds. Small (1.0) only where the attack never returns.
        guard: a limit that is verified first.
        memory_mib: of the container, where the attack needs other than the usual.
        defeated_by: the weakest isolation that defeats it; "model" for what ``run`` does not close.
        prints_bytes: exactly how much ASCII text it prints, where the count of kept and dropped bytes is checked.
    """

    name: str
    target: str
    promise: Promise
    tries: str
    expected: tuple[Status, ...]
    limit_s: float = 30.0
    guard: Guard | None = None
    memory_mib: int | None = None
    defeated_by: Literal["run", "model"] = "run"
    prints_bytes: int | None = None


@dataclass(frozen=True)
class Finding:
    """What came of one attack.

    Attributes:
        attack: which.
        statuses: of its models, in order.
        faults: what did not hold, one sentence each; empty when the sandbox held.
        overshoot_s: the longest time from a model's limit to the moment at which nothing of it lived any more, seconds; None
            where no limit was reached.
        skipped: why it was not run (the limit that it attacks was not seen in force), or None.
    """

    attack: Attack
    statuses: tuple[Status, ...] = ()
    faults: tuple[str, ...] = field(default=())
    overshoot_s: float | None = None
    skipped: str | None = None

    @property
    def held(self) -> bool:
        """The sandbox was attacked and held."""
        return self.skipped is None and not self.faults
