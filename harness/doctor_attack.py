"""``harness doctor --attack``: hostile plugins against the user's own engine, and which promises hold there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from harness.attacks.catalogue import ATTACKS, carry_out_all
from harness.attacks.ground import prepared
from harness.attacks.model import PROMISES, Attack, Finding
from harness.checks import Check, CheckStatus
from harness.progress import Progress
from harness.runners.engine import Engine
from harness.runners.reaper import reap

BROKEN = (
    "Do not run strangers' plugins on this engine. Where engine and kernel are up to date, it is a fault of the harness, to be "
    "reported."
)
UNVERIFIED = "Give the engine what it needs to hold its limits (see `harness doctor`), and attack again."


def attack_checks(progress: Progress, attacks: Sequence[Attack] = ATTACKS) -> list[Check]:
    """Carry out the attacks on the engine that the environment names, and say what held.

    Raises:
        DockerUnavailableError: no engine answers.
        ImageBuildError: the sandbox image could not be built.
        SandboxError: the engine failed.
    """
    engine = Engine.connect()
    reap(engine)
    return list(told(carried_out(engine, attacks, progress)))


def carried_out(engine: Engine, attacks: Sequence[Attack], progress: Progress) -> list[Finding]:
    """What came of each attack; every container is gone when this returns, however it returns."""
    found: list[Finding] = []
    with (
        progress.step("attacking the sandbox", len(attacks)) as step,
        prepared(engine, attacks, progress=step.tell) as ground,
        closing(carry_out_all(ground, attacks)) as findings,
    ):
        for finding in findings:
            found.append(finding)
            step.tell(finding.attack.name)
            step.advance()
    return found


def told(findings: Sequence[Finding]) -> Iterator[Check]:
    """One check per promise, then one per attack that it did not withstand or that was not carried out."""
    for promise, words in PROMISES.items():
        of_it = [finding for finding in findings if finding.attack.promise == promise]
        held = sum(finding.held for finding in of_it)
        if of_it:
            status: CheckStatus = "ok" if held == len(of_it) else "fail"
            advice = "" if status == "ok" else "See the attacks below."
            yield Check(f"Promise {promise}", status, f"{words}: withstood {held} of {len(of_it)} attacks", advice)
    yield from _latest(findings)
    yield from _walls(findings)
    yield from _inexact(findings)
    for finding in findings:
        yield from _broken(finding)


def _latest(findings: Sequence[Finding]) -> Iterator[Check]:
    late = [finding.overshoot_s for finding in findings if finding.overshoot_s is not None]
    if late:
        detail = f"of {len(late)} that passed a time limit, the last was dead {max(late):.2f} s after it"
        yield Check("Deadline", "ok", detail)


def _walls(findings: Sequence[Finding]) -> Iterator[Check]:
    names = [finding.attack.name for finding in findings if finding.held and finding.attack.defeated_by == "model"]
    if names:
        yield Check("Isolation", "ok", f"withstood under --isolation model alone: {', '.join(names)}")


def _inexact(findings: Sequence[Finding]) -> Iterator[Check]:
    """Attacks that were withstood and ended under another name, as they do where the kernel's counters cannot be read."""
    inexact = [finding for finding in findings if finding.held and finding.statuses != finding.attack.expected]
    if inexact:
        names = ", ".join(finding.attack.name for finding in inexact)
        detail = f"the kernel's counts of memory kills and refused processes cannot be read from here: {names}"
        advice = "Such models are told as killed_signal or ok; use an engine on this machine to have them told exactly."
        yield Check("Causes", "warn", detail, advice)


def _broken(finding: Finding) -> Iterator[Check]:
    attack = finding.attack
    if finding.skipped is not None:
        yield Check(f"Attack {attack.name}", "fail", f"not carried out: {finding.skipped}", UNVERIFIED)
    elif finding.faults:
        detail = f"promise {attack.promise}; it {attack.tries}. {'; '.join(finding.faults)}"
        yield Check(f"Attack {attack.name}", "fail", detail, BROKEN)
