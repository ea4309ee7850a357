"""Attacks that leave something behind which goes on: promise 6."""

from __future__ import annotations

from harness.attacks.model import Attack, Guard
from harness.outcomes import Status


def _leaves(name: str, tries: str) -> Attack:
    return Attack(name, f"leftovers:{name}", 6, tries, (Status.OK,))


ATTACKS: tuple[Attack, ...] = (
    _leaves("daemons", "starts daemons by forking twice, and returns"),
    _leaves("goes_on", "returns and goes on changing, writing and printing in a daemon"),
    _leaves("floods_after_the_end", "returns while a daemon floods the output"),
    _leaves("stopped_grandchild", "leaves a grandchild that is stopped"),
    _leaves("deaf_grandchild", "leaves a grandchild that blocks every signal"),
    _leaves("adopts", "leaves a reaper of orphans that keeps daemons away from the guest"),
    _leaves("assassin", "leaves a daemon that kills whatever it may kill, again and again"),
    Attack(
        "leaves_processes",
        "resources:leaves_processes",
        6,
        "leaves half as many processes as the limit allows, half of them stopped",
        (Status.OK,),
        guard=Guard.PIDS,
    ),
)
