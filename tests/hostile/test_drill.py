"""The drill itself: it attacks no limit that is not in force, and it sees when a sandbox does not do what is expected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.attacks.catalogue import ATTACKS
from harness.attacks.drill import Drill
from harness.attacks.ground import LIMITS, Ground
from harness.attacks.model import Attack, Finding, Guard
from harness.doctor_attack import carried_out, told
from harness.outcomes import Status
from harness.progress import SilentProgress
from harness.runners.docker_runner import DockerRunner
from harness.runners.engine import Engine
from tests.hostile.conftest import Field

pytestmark = pytest.mark.docker

BY_NAME = {attack.name: attack for attack in ATTACKS}
LAX = {Guard.PIDS: "pids", Guard.MEMORY: "memory_mib", Guard.TMPFS: "tmpfs_mib"}


class LaxGround(Ground):
    """A ground on which one limit is left out."""

    lax = "pids"

    def runner(self, memory_mib: int | None = None) -> DockerRunner:
        assert memory_mib is None
        return DockerRunner(self.engine, self.image, replace(LIMITS, **{self.lax: None}))


@pytest.mark.parametrize("guard", LAX, ids=lambda guard: guard.value)
def test_a_limit_that_is_not_in_force_is_not_attacked(
    guard: Guard, field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LaxGround, "lax", LAX[guard])
    attack = next(attack for attack in ATTACKS if attack.guard is guard)
    with Drill(LaxGround(**vars(field.ground))) as drill:
        finding = drill.carry_out(attack)

    assert finding.statuses == ()
    assert finding.skipped is not None
    assert f"the limit on {guard.value} is not surely in force" in finding.skipped


@pytest.fixture(scope="module")
def of_two(engine: Engine) -> dict[str, Finding]:
    """An attack that is withstood, and one that is said to end otherwise than it does."""
    attacks: list[Attack] = [BY_NAME["sleeps"], replace(BY_NAME["sets_clock"], expected=(Status.TIMEOUT,))]
    return {finding.attack.name: finding for finding in carried_out(engine, attacks, SilentProgress())}


def test_the_doctor_tells_which_promise_held_and_which_attack_was_not_withstood(of_two: dict[str, Finding]) -> None:
    checks = {check.name: check for check in told(list(of_two.values()))}

    assert of_two["sleeps"].held
    assert checks["Promise 3"].status == "fail"
    assert "withstood 1 of 2" in checks["Promise 3"].detail
    assert "ended as ok, not as timeout" in checks["Attack sets_clock"].detail
