"""Attacks on the time limit: promise 3."""

from __future__ import annotations

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import Attack, Guard

SOON_S = 1.0
"""Time limit of attacks that never return, seconds."""


def _never(name: str, tries: str, guard: Guard | None = None) -> Attack:
    """Return an attack that must time out."""
    return Attack(name, f"clock:{name}", 3, tries, (Status.TIMEOUT,), limit_s=SOON_S, guard=guard)


def _soon(name: str, tries: str) -> Attack:
    """Return an attack that ends at once."""
    return Attack(name, f"clock:{name}", 3, tries, (Status.OK,))


ATTACKS: tuple[Attack, ...] = (
    _never("sleeps", "sleeps forever"),
    _never("ignores_sigterm", "ignores SIGTERM and every other signal that can be ignored, and sleeps forever"),
    _never("blocks_signals", "blocks all signals and sleeps forever"),
    _never("multiplies", "stays in a product of huge matrices, in C, and never returns to Python"),
    _never("matches", "stays in a regular expression that holds the GIL"),
    _never("prints", "prints forever"),
    _never("stops_itself", "stops its own process with SIGSTOP"),
    _never("is_traced", "waits for a child that is stopped under ptrace"),
    _never("closes_everything", "closes every file descriptor, as if it had exited, and sleeps forever"),
    _never("daemons_and_stays", "starts daemons that hold its pipes open, and never returns"),
    _never("revives", "never returns, while eight processes continuously replace themselves by children", Guard.PIDS),
    _never("orphans", "continuously hands dead orphans to the guest and never returns", Guard.PIDS),
    _never("pesters", "continuously wakes the guest with signals and never returns"),
    _never(
        "crowds",
        "saturates the CPU with many processes, so that the guest is starved",
        Guard.PIDS,
    ),
    _never("crowds_idle_guest", "gives the guest the lowest priority, then saturates the CPU", Guard.PIDS),
    _never("litters", "creates 100,000 files, so that the guest's cleanup is late, and never returns", Guard.MEMORY),
    _never("stands_still", "freezes every clock of Python and waits for a clock to advance"),
    _never("stretches_context", "extends its time limit in the context to a day and works until it is over"),
    _never("patches_everything", "replaces every function of the guest in its process and never returns"),
    _never("returns_late", "returns a complete model just after the limit"),
    _never("sleeps_in_state", "returns a model with a state that never finishes loading"),
    _never("sleeps_in_error", "raises an exception with a text that never finishes"),
    _soon("sleeps_in_destructor", "returns, and sleeps in a destructor, at exit and in a thread"),
    _soon("sets_clock", "sets the system clock back by a day"),
)
