"""Attacks on the clock: promise 3."""

from __future__ import annotations

from harness.attacks.model import Attack, Guard
from harness.outcomes import Status

SOON_S = 1.0
"""Limit of attacks that never return, seconds."""


def _never(name: str, tries: str, guard: Guard | None = None) -> Attack:
    """An attack that does not return in time."""
    return Attack(name, f"clock:{name}", 3, tries, (Status.TIMEOUT,), limit_s=SOON_S, guard=guard)


def _soon(name: str, tries: str) -> Attack:
    """An attack that returns at once."""
    return Attack(name, f"clock:{name}", 3, tries, (Status.OK,))


ATTACKS: tuple[Attack, ...] = (
    _never("sleeps", "sleeps for ever"),
    _never("ignores_sigterm", "ignores SIGTERM and every other signal that can be ignored, and sleeps for ever"),
    _never("blocks_signals", "blocks all signals and sleeps for ever"),
    _never("multiplies", "stays in one product of huge matrices, in C, and never returns to Python"),
    _never("matches", "stays in a regular expression that holds the interpreter's lock"),
    _never("prints", "prints for ever"),
    _never("stops_itself", "stops its own process with SIGSTOP"),
    _never("is_traced", "waits for a child that is stopped as in a debugger"),
    _never("closes_everything", "closes every file descriptor, as if it had ended, and sleeps for ever"),
    _never("daemons_and_stays", "starts daemons that hold its pipes open and never returns"),
    _never(
        "revives", "never returns, while eight processes replace themselves by children without a pause", Guard.PIDS
    ),
    _never("orphans", "hands the guest one dead orphan after the other and never returns", Guard.PIDS),
    _never("pesters", "wakes the guest with signals without a pause and never returns"),
    _never(
        "crowds",
        "keeps the processor busy with many processes, so that the guest hardly gets a turn",
        Guard.PIDS,
    ),
    _never("crowds_idle_guest", "gives the guest the lowest priority, then keeps the processor busy", Guard.PIDS),
    _never("litters", "makes 100,000 files, so that the guest is late in wiping them, and never returns", Guard.MEMORY),
    _never("stands_still", "makes every clock of Python stand still and waits for one to move"),
    _never("stretches_context", "writes a day into the context and works until it is over"),
    _never("patches_everything", "replaces every function of the guest in its process and never returns"),
    _never("returns_late", "returns a whole model just after the limit"),
    _never("sleeps_in_state", "returns a model whose state takes for ever to read"),
    _never("sleeps_in_error", "raises an exception whose text takes for ever to make"),
    _soon("sleeps_in_destructor", "returns, and sleeps in a destructor, at exit and in a thread"),
    _soon("sets_clock", "turns the system's clock back by a day"),
)
