"""All attacks, and their execution in as few containers as possible."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import groupby

from harness.doctor.attacks import clock, ends, leftovers, outputs, privileges, protocol, reach, resources, state
from harness.doctor.attacks.attack import Attack, Finding
from harness.doctor.attacks.environment import AttackEnvironment
from harness.doctor.attacks.session import AttackSession, Isolation

MODULES = (reach, privileges, clock, protocol, outputs, ends, resources, leftovers, state)
ATTACKS: tuple[Attack, ...] = tuple(attack for module in MODULES for attack in module.ATTACKS)


def run_all(environment: AttackEnvironment, attacks: Sequence[Attack]) -> Generator[Finding, None, None]:
    """Run the attacks one by one, each under the weakest isolation that defeats it, in as few containers as possible."""

    def place(attack: Attack) -> tuple[Isolation, int]:
        return attack.defeated_by, attack.memory_mib or 0

    for (isolation, memory_mib), group in groupby(sorted(attacks, key=place, reverse=True), place):
        with AttackSession(environment, isolation, memory_mib or None) as session:
            yield from map(session.run, group)
