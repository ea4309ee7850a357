"""What `harness doctor --attack` says of findings."""

from __future__ import annotations

from dataclasses import replace

from harness.core.outcomes import Status
from harness.doctor.attack_report import to_checks
from harness.doctor.attacks.attack import Attack, Finding
from harness.doctor.checks import Check

SLEEPS = Attack("sleeps", "clock:sleeps", 3, "sleeps for ever", (Status.TIMEOUT,))
LOOKS = Attack("looks", "reach:looks", 2, "looks around", (Status.OK,))
HELD = Finding(SLEEPS, (Status.TIMEOUT,), overshoot_s=0.25)


def checks(*findings: Finding) -> dict[str, Check]:
    return {check.name: check for check in to_checks(findings)}


def test_a_promise_that_held_is_told_with_its_number_of_attacks() -> None:
    found = checks(HELD, HELD)

    assert found["Promise 3"].status == "ok"
    assert "withstood 2 of 2 attacks" in found["Promise 3"].detail
    assert "Promise 2" not in found


def test_a_broken_promise_fails_and_names_the_attack_and_every_fault() -> None:
    found = checks(HELD, Finding(LOOKS, (Status.OK,), faults=("it reached a key", "2 process(es) survived")))

    assert found["Promise 2"].status == "fail"
    assert found["Promise 3"].status == "ok"
    assert found["Attack looks"].status == "fail"
    for words in ("looks around", "it reached a key", "2 process(es) survived"):
        assert words in found["Attack looks"].detail


def test_an_attack_that_was_not_carried_out_proves_nothing() -> None:
    found = checks(Finding(SLEEPS, skipped="the limit on pids is not verified"))

    assert found["Promise 3"].status == "fail"
    assert "not verified" in found["Attack sleeps"].detail


def test_the_latest_death_after_a_limit_is_told() -> None:
    found = checks(HELD, replace(HELD, overshoot_s=0.75), Finding(LOOKS, (Status.OK,)))

    assert "0.75 s" in found["Deadline"].detail


def test_a_cause_that_could_not_be_told_exactly_is_a_warning() -> None:
    attack = replace(SLEEPS, expected=(Status.OOM,))

    assert checks(Finding(attack, (Status.KILLED_SIGNAL,)))["Causes"].status == "warn"
    assert "Causes" not in checks(HELD)
