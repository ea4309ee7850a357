"""Attack sessions skip limits that are not verified, and detect a sandbox that does not do what is expected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.core.outcomes import Status
from harness.core.progress import SilentProgress
from harness.doctor.attack_report import run_attacks, to_checks
from harness.doctor.attacks.attack import Attack, Finding, Guard
from harness.doctor.attacks.catalogue import ATTACKS
from harness.doctor.attacks.environment import LIMITS, AttackEnvironment
from harness.doctor.attacks.session import AttackSession
from harness.runners.base import Limits, Runner
from harness.runners.engines import DOCKER
from tests.hostile.conftest import Field

pytestmark = pytest.mark.docker

BY_NAME = {attack.name: attack for attack in ATTACKS}
LAX = {Guard.PIDS: "pids", Guard.MEMORY: "memory_mib", Guard.TMPFS: "tmpfs_mib"}


class LaxEnvironment(AttackEnvironment):
    """An environment without one of the limits."""

    lax = "pids"

    def runner(self, limits: Limits = LIMITS) -> Runner:
        return super().runner(replace(limits, **{self.lax: None}))


@pytest.mark.parametrize("guard", LAX, ids=lambda guard: guard.value)
def test_a_limit_that_is_not_in_force_is_not_attacked(
    guard: Guard, field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LaxEnvironment, "lax", LAX[guard])
    attack = next(attack for attack in ATTACKS if attack.guard is guard)
    with AttackSession(LaxEnvironment(**vars(field.environment))) as session:
        finding = session.run(attack)

    assert finding.statuses == ()
    assert finding.skipped is not None
    assert f"the limit on {guard.value} is not verified" in finding.skipped


@pytest.fixture(scope="module")
def of_two(field: Field) -> dict[str, Finding]:
    """Run a defeated attack, and an attack with a wrong expected ending."""
    attacks: list[Attack] = [BY_NAME["sleeps"], replace(BY_NAME["sets_clock"], expected=(Status.TIMEOUT,))]
    return {finding.attack.name: finding for finding in run_attacks(DOCKER, attacks, SilentProgress())}


def test_the_doctor_tells_which_promise_held_and_which_attack_was_not_withstood(of_two: dict[str, Finding]) -> None:
    checks = {check.name: check for check in to_checks(list(of_two.values()))}

    assert of_two["sleeps"].held
    assert checks["Promise 3"].status == "fail"
    assert "withstood 1 of 2" in checks["Promise 3"].detail
    assert "ended as ok, expected timeout" in checks["Attack sets_clock"].detail
