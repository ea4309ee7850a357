"""Each way in which a sandbox may fail an attack is seen; a sandbox that holds has no fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.core.outcomes import Evidence, LogCapture, ModelOutcome, Status
from harness.doctor.attacks.assessing import DEAD_S, LATE_S, Observation, assess
from harness.doctor.attacks.attack import Attack

LIMIT_S = 2.0
ATTACK = Attack("tries", "module:function", 3, "tries", (Status.TIMEOUT,), limit_s=LIMIT_S)
TIMED_OUT = ModelOutcome(
    0,
    1,
    Status.TIMEOUT,
    charged_s=LIMIT_S + 0.1,
    evidence=Evidence(elapsed_s=LIMIT_S + 0.1, limit_s=LIMIT_S, dead_s=LIMIT_S + 0.2),
)
HONEST = ModelOutcome(0, 2, Status.OK, charged_s=0.1)
HELD = Observation(
    outcomes=(TIMED_OUT,),
    returned=(False,),
    honest=HONEST,
    unharmed=True,
    survivors=0,
    guests=1,
    counted=True,
    log_bytes=1000,
)


def outcome(change: dict[str, object], evidence: dict[str, object] | None = None) -> Observation:
    """Return the observation of a sandbox that held, with a changed outcome of the attack."""
    changed = replace(TIMED_OUT, evidence=replace(TIMED_OUT.evidence, **(evidence or {})), **change)  # type: ignore[arg-type]
    return replace(HELD, outcomes=(changed,))


def test_a_sandbox_that_held_has_no_fault() -> None:
    finding = assess(ATTACK, HELD)

    assert finding.held
    assert finding.statuses == (Status.TIMEOUT,)
    assert finding.overshoot_s == pytest.approx(0.2)


BROKEN: dict[str, tuple[Observation, str]] = {
    "another status": (outcome({"status": Status.OK}), "ended as ok, expected timeout"),
    "a model was not run": (replace(HELD, outcomes=(), returned=()), "0 of 1 models"),
    "it got something": (outcome({"log": LogCapture(head="\nREACHED: the test set\n")}), "it reached the test set"),
    "it got something late": (outcome({"log": LogCapture(tail="x\nREACHED: a key")}), "it reached a key"),
    "charged too much": (outcome({"charged_s": LIMIT_S + LATE_S + 0.1}), "it was charged 3.10 s"),
    "dead too late": (outcome({}, {"dead_s": LIMIT_S + DEAD_S + 0.1}), "survived the limit by 2.10 s"),
    "dead too late, by the clock alone": (
        outcome({}, {"elapsed_s": LIMIT_S + DEAD_S + 0.1, "dead_s": None}),
        "survived the limit by 2.10 s",
    ),
    "too much output": (outcome({"log": LogCapture("x" * 2001, "x" * 2000)}), "4001 characters of output"),
    "an escape in the log": (outcome({"log": LogCapture("\x1b[31m")}), "control characters"),
    "an escape in a message": (outcome({}, {"error_message": "\u202e"}), "control characters"),
    "an escape in a note": (outcome({}, {"notes": ("\x07",)}), "control characters"),
    "an escape in an earlier attempt": (outcome({"earlier_attempts": ("\x9b",)}), "control characters"),
    "no record": (outcome({"charged_s": float("nan")}), "cannot be written to a report"),
    "a process lived on": (replace(HELD, survivors=2), "2 process(es) survived"),
    "two guests": (replace(HELD, guests=2), "2 guests"),
    "weights of a failed model": (replace(HELD, returned=(True,)), "weights were accepted"),
    "an honest model failed": (
        replace(HELD, honest=replace(HONEST, status=Status.OOM, advice="Use less."), unharmed=False),
        "the next, honest model ended as oom: Use less.",
    ),
    "an honest model was degraded": (
        replace(HELD, honest=replace(HONEST, status=Status.OK_DEGRADED)),
        "the next, honest model ended as ok_degraded",
    ),
    "an honest model was changed": (replace(HELD, unharmed=False), "weights of the next, honest model were changed"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_every_fault_is_seen_and_told(name: str) -> None:
    observation, words = BROKEN[name]
    finding = assess(ATTACK, observation)

    assert not finding.held
    assert [fault for fault in finding.faults if words in fault] != []


@pytest.mark.parametrize("place", ["error_message", "traceback"])
def test_words_that_are_not_a_line_of_the_log_prove_nothing(place: str) -> None:
    assert assess(ATTACK, outcome({}, {place: "REACHED: a lie"})).held


def test_processes_that_cannot_be_seen_from_here_are_no_fault() -> None:
    assert assess(ATTACK, replace(HELD, survivors=None)).held


def test_a_fresh_sandbox_for_every_model_needs_no_honest_model() -> None:
    assert assess(ATTACK, replace(HELD, honest=None, unharmed=False)).held


def test_a_model_that_reached_no_limit_has_no_overshoot() -> None:
    attack = replace(ATTACK, expected=(Status.OK,))
    finding = assess(attack, outcome({"status": Status.OK, "charged_s": 0.5}, {"elapsed_s": 0.5, "dead_s": 0.6}))

    assert finding.held
    assert finding.overshoot_s is None


@pytest.mark.parametrize(
    ("expected", "seen"), [(Status.OOM, Status.KILLED_SIGNAL), (Status.OK_DEGRADED, Status.OK)], ids=str
)
@pytest.mark.parametrize("counted", [True, False])
def test_only_where_the_kernel_cannot_be_asked_may_a_cause_be_less_exact(
    expected: Status, seen: Status, counted: bool
) -> None:
    attack = replace(ATTACK, expected=(expected,))
    observation = replace(outcome({"status": seen}), counted=counted)

    assert assess(attack, observation).held is not counted


@pytest.mark.parametrize(("dropped_bytes", "held"), [(90, True), (89, False), (91, False)])
def test_every_byte_of_output_is_kept_or_counted(dropped_bytes: int, held: bool) -> None:
    log = LogCapture("x" * 6, "y" * 4, dropped_bytes)

    assert assess(replace(ATTACK, prints_bytes=100), outcome({"log": log})).held is held


def test_both_models_of_an_attack_are_judged() -> None:
    attack = replace(ATTACK, expected=(Status.OK, Status.OK))
    fine = replace(HONEST, evidence=Evidence(elapsed_s=0.1, limit_s=LIMIT_S))
    found = replace(fine, log=LogCapture("REACHED: what the first one left"))
    finding = assess(attack, replace(HELD, outcomes=(fine, found), returned=(True, True)))

    assert finding.faults == ("it reached what the first one left",)
