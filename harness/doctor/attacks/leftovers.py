"""Attacks that leave processes running: promise 6."""

from __future__ import annotations

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import Attack, Guard


def _leaves(name: str, tries: str) -> Attack:
    return Attack(name, f"leftovers:{name}", 6, tries, (Status.OK,))


ATTACKS: tuple[Attack, ...] = (
    _leaves("daemons", "starts daemons by forking twice, and returns"),
    _leaves("goes_on", "returns, and continues to change weights, write files and print in a daemon"),
    _leaves("floods_after_the_end", "returns while a daemon floods the output"),
    _leaves("stopped_grandchild", "leaves a stopped grandchild"),
    _leaves("deaf_grandchild", "leaves a grandchild that blocks every signal"),
    _leaves("adopts", "leaves a subreaper, so that orphaned daemons are not re-parented to the guest"),
    Attack(
        "assassin",
        "leftovers:assassin",
        6,
        "leaves a daemon that repeatedly kills every process that it may kill",
        (Status.KILLED_SIGNAL,),  # the plugin's own process, or the one that serves its model
    ),
    Attack(
        "leaves_processes",
        "resources:leaves_processes",
        6,
        "leaves half as many processes as the limit allows, half of these stopped",
        (Status.OK,),
        guard=Guard.PIDS,
    ),
)
