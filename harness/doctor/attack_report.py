"""``harness doctor --attack``: run hostile plugins on the user's engine and check which promises hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from harness.core.progress import Progress
from harness.doctor.attacks.attack import PROMISES, Attack, Finding
from harness.doctor.attacks.catalogue import ATTACKS, run_all
from harness.doctor.attacks.environment import prepared
from harness.doctor.checks import Check, CheckStatus
from harness.runners.provider import RunnerProvider

BROKEN = (
    "Do not run third-party plugins on this engine. If engine and kernel are up to date, this is a bug of the harness; please "
    "report it."
)
UNVERIFIED = "Configure the engine so that it enforces its limits (see `harness doctor`), and attack again."


def attack_checks(provider: RunnerProvider, progress: Progress, attacks: Sequence[Attack] = ATTACKS) -> list[Check]:
    """Run the attacks on a runner and return the checks.

    Raises:
        DockerUnavailableError: no engine responds.
        ImageBuildError: the sandbox image could not be built.
        SandboxError: the engine failed.
    """
    return list(to_checks(run_attacks(provider, attacks, progress)))


def run_attacks(provider: RunnerProvider, attacks: Sequence[Attack], progress: Progress) -> list[Finding]:
    """Run the attacks and return their findings; remove every guest, also on errors."""
    found: list[Finding] = []
    with (
        prepared(provider, attacks, progress) as environment,
        progress.step("attacking the sandbox", len(attacks)) as step,
        closing(run_all(environment, attacks)) as findings,
    ):
        for finding in findings:
            found.append(finding)
            step.tell(finding.attack.name)
            step.advance()
    return found


def to_checks(findings: Sequence[Finding]) -> Iterator[Check]:
    """Yield a check per promise, then a check per attack that succeeded or was not run."""
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
        detail = f"{len(late)} attacks exceeded a time limit; the latest was dead {max(late):.2f} s after it"
        yield Check("Deadline", "ok", detail)


def _walls(findings: Sequence[Finding]) -> Iterator[Check]:
    names = [finding.attack.name for finding in findings if finding.held and finding.attack.defeated_by == "model"]
    if names:
        yield Check("Isolation", "ok", f"defeated only by --isolation model: {', '.join(names)}")


def _inexact(findings: Sequence[Finding]) -> Iterator[Check]:
    """Yield a warning for defeated attacks with an inexact status, which occurs if kernel counters cannot be read."""
    inexact = [finding for finding in findings if finding.held and finding.statuses != finding.attack.expected]
    if inexact:
        names = ", ".join(finding.attack.name for finding in inexact)
        detail = f"the kernel's counts of out-of-memory kills and refused processes cannot be read: {names}"
        advice = (
            "Affected models are reported as killed_signal or ok. Use an engine on this machine for exact statuses."
        )
        yield Check("Causes", "warn", detail, advice)


def _broken(finding: Finding) -> Iterator[Check]:
    attack = finding.attack
    if finding.skipped is not None:
        yield Check(f"Attack {attack.name}", "fail", f"not run: {finding.skipped}", UNVERIFIED)
    elif finding.faults:
        detail = f"{attack.tries} (promise {attack.promise}): {'; '.join(finding.faults)}"
        yield Check(f"Attack {attack.name}", "fail", detail, BROKEN)
