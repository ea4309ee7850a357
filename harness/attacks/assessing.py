"""What an attack did to the sandbox: one pure function from what was seen to the faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from harness.attacks.model import REACHED, Attack, Finding
from harness.outcomes import ModelOutcome, Status
from harness.report.records import ModelRecord

LATE_S = 1.0
"""How long after its limit a model's verdict must be there, seconds; the kill lands before it."""

DEAD_S = 2.0
"""How long after its limit nothing of a model may live, seconds: dying takes time where the machine is busy."""

MAX_CHARS_PER_BYTE = 4
"""One byte that does not print is shown as an escape of four characters."""

UNCOUNTED = {Status.OOM: Status.KILLED_SIGNAL, Status.OK_DEGRADED: Status.OK}
"""What is reported instead where the kernel's counters of the container cannot be read."""


@dataclass(frozen=True)
class Scene:
    """All that was seen of one attack.

    Attributes:
        outcomes: of its models, in order.
        returned: for each of them, whether weights came back with the outcome.
        honest: the outcome of a model that was then left as it is, in the same session; None: it was not run.
        unharmed: that model's weights are exactly the original's.
        survivors: processes beside the guest right after the attack; None where they cannot be seen from here.
        containers: of this session, right after the attack.
        counted: the kernel's counters of the container can be read from here.
        log_bytes: how much output is kept per model.
    """

    outcomes: tuple[ModelOutcome, ...]
    returned: tuple[bool, ...]
    honest: ModelOutcome | None
    unharmed: bool
    survivors: int | None
    containers: int
    counted: bool
    log_bytes: int


def assess(attack: Attack, scene: Scene) -> Finding:
    """The finding on an attack that was carried out."""
    faults = [
        *_wrong_statuses(attack, scene),
        *(fault for outcome in scene.outcomes for fault in _outcome_faults(outcome, scene.log_bytes)),
        *_miscounted(attack, scene),
        *_left_behind(scene),
        *_harm(scene),
    ]
    return Finding(
        attack,
        statuses=tuple(outcome.status for outcome in scene.outcomes),
        faults=tuple(faults),
        overshoot_s=max((late for late in map(_overshoot_s, scene.outcomes) if late is not None), default=None),
    )


def _overshoot_s(outcome: ModelOutcome) -> float | None:
    """Seconds from the limit to the moment at which nothing of the model lived; None where the limit was not reached."""
    evidence = outcome.evidence
    end_s = evidence.elapsed_s if evidence.dead_s is None else evidence.dead_s
    if outcome.status is not Status.TIMEOUT or end_s is None or evidence.limit_s is None:
        return None
    return end_s - evidence.limit_s


def _wrong_statuses(attack: Attack, scene: Scene) -> Iterator[str]:
    if len(scene.outcomes) != len(attack.expected):
        yield f"{len(scene.outcomes)} of {len(attack.expected)} models were run"
    for number, (outcome, expected) in enumerate(zip(scene.outcomes, attack.expected, strict=False), 1):
        allowed = {expected} if scene.counted else {expected, UNCOUNTED.get(expected, expected)}
        if outcome.status not in allowed:
            why = outcome.evidence.error_message or outcome.advice
            yield f"model {number} ended as {outcome.status.value}, not as {expected.value}: {why}"


def _outcome_faults(outcome: ModelOutcome, log_bytes: int) -> Iterator[str]:
    log, evidence = outcome.log, outcome.evidence
    for line in (*log.head.splitlines(), *log.tail.splitlines()):
        if line.startswith(REACHED):
            yield f"it reached {line.removeprefix(REACHED)}"
    if evidence.limit_s is not None and (outcome.charged_s or 0.0) > evidence.limit_s + LATE_S:
        yield f"it was charged {outcome.charged_s:.2f} s at a limit of {evidence.limit_s:.2f} s"
    late_s = _overshoot_s(outcome)
    if late_s is not None and late_s > DEAD_S:
        yield f"something of it lived {late_s:.2f} s after the limit"
    if len(log.head) + len(log.tail) > MAX_CHARS_PER_BYTE * log_bytes:
        yield f"{len(log.head) + len(log.tail)} characters of output were kept; the limit is {log_bytes} bytes"
    if any(map(_unprintable, _texts(outcome))):
        yield "its report holds control characters"
    try:
        ModelRecord.from_outcome(outcome).model_dump_json()
    except (ValidationError, ValueError) as error:
        yield f"its end cannot be written into a report: {error}"


def _texts(outcome: ModelOutcome) -> Iterator[str]:
    evidence = outcome.evidence
    yield from (outcome.log.head, outcome.log.tail, outcome.advice, *outcome.earlier_attempts, *evidence.notes)
    yield from (evidence.error_type or "", evidence.error_message or "", evidence.traceback or "")


def _unprintable(text: str) -> bool:
    return not text.replace("\n", "").replace("\t", "").isprintable()


def _miscounted(attack: Attack, scene: Scene) -> Iterator[str]:
    if attack.prints_bytes is None:
        return
    for outcome in scene.outcomes:
        log = outcome.log
        total = len(log.head.encode()) + len(log.tail.encode()) + log.dropped_bytes
        if total != attack.prints_bytes:
            yield f"{total} bytes of output were kept or counted; it printed {attack.prints_bytes}"


def _left_behind(scene: Scene) -> Iterator[str]:
    if scene.survivors:
        yield f"{scene.survivors} process(es) lived on beside the guest"
    if scene.containers > 1:
        yield f"{scene.containers} containers of one session were there at a time"


def _harm(scene: Scene) -> Iterator[str]:
    for outcome, returned in zip(scene.outcomes, scene.returned, strict=False):
        if returned and not outcome.status.finished:
            yield f"weights were taken from a model that ended as {outcome.status.value}"
    if scene.honest is None:
        return
    if scene.honest.status is not Status.OK:
        why = scene.honest.evidence.error_message or scene.honest.advice
        yield f"an honest model after it ended as {scene.honest.status.value}: {why}"
    elif not scene.unharmed:
        yield "the weights of an honest model after it were changed"
