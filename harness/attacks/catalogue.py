"""All attacks, and the order in which few containers serve many of them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import groupby

from harness.attacks import clock, ends, leftovers, outputs, privileges, protocol, reach, resources, state
from harness.attacks.drill import Drill, Isolation
from harness.attacks.ground import Ground
from harness.attacks.model import Attack, Finding

MODULES = (reach, privileges, clock, protocol, outputs, ends, resources, leftovers, state)
ATTACKS: tuple[Attack, ...] = tuple(attack for module in MODULES for attack in module.ATTACKS)


def carry_out_all(ground: Ground, attacks: Sequence[Attack]) -> Generator[Finding, None, None]:
    """Carry the attacks out one by one, each under the weakest isolation that defeats it, as few containers as that takes."""

    def place(attack: Attack) -> tuple[Isolation, int]:
        return attack.defeated_by, attack.memory_mib or 0

    for (isolation, memory_mib), group in groupby(sorted(attacks, key=place, reverse=True), place):
        with Drill(ground, isolation, memory_mib or None) as drill:
            yield from map(drill.carry_out, group)
