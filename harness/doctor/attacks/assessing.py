"""Assessment of an attack: a pure function from the observation to the list of faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from pydantic import ValidationError

from harness.core.outcomes import ModelOutcome, Status
from harness.doctor.attacks.attack import REACHED, Attack, Finding
from harness.report.records import Record

LATE_S = 1.0
"""Maximum time from a model's limit to its outcome, seconds; the kill happens earlier."""

DEAD_S = 2.0
"""Maximum time from a model's limit until all of its processes are dead, seconds; a busy machine delays the kill."""

MAX_CHARS_PER_BYTE = 4
"""A non-printable byte is logged as an escape of four characters."""

UNCOUNTED = {Status.OOM: Status.KILLED_SIGNAL, Status.OK_DEGRADED: Status.OK}
"""Status that is reported instead if the container's kernel counters cannot be read."""


@dataclass(frozen=True)
class Observation:
    """The observed effects of an attack.

    Attributes:
        outcomes: outcomes of its models, in order.
        returned: for each model, True if weights came back with the outcome.
        honest: outcome of a no-op model that ran next in the same session; None if it was not run.
        unharmed: True if that no-op model's weights equal the original's.
        survivors: number of processes besides the guest right after the attack; None if they are not visible from the host.
        guests: number of guests (containers) of this session right after the attack.
        counted: True if the container's kernel counters can be read from the host.
        log_bytes: limit on the captured output per model, bytes.
    """

    outcomes: tuple[ModelOutcome, ...]
    returned: tuple[bool, ...]
    honest: ModelOutcome | None
    unharmed: bool
    survivors: int | None
    guests: int
    counted: bool
    log_bytes: int


def assess(attack: Attack, observation: Observation) -> Finding:
    """Return the finding on an attack that was run."""
    faults = [
        *_wrong_statuses(attack, observation),
        *(fault for outcome in observation.outcomes for fault in _outcome_faults(outcome, observation.log_bytes)),
        *_miscounted(attack, observation),
        *_left_behind(observation),
        *_harm(observation),
    ]
    return Finding(
        attack,
        statuses=tuple(outcome.status for outcome in observation.outcomes),
        faults=tuple(faults),
        overshoot_s=max((late for late in map(_overshoot_s, observation.outcomes) if late is not None), default=None),
    )


def _overshoot_s(outcome: ModelOutcome) -> float | None:
    """Return the seconds from the limit until all processes of the model were dead; None if the limit was not reached."""
    evidence = outcome.evidence
    end_s = evidence.elapsed_s if evidence.dead_s is None else evidence.dead_s
    if outcome.status is not Status.TIMEOUT or end_s is None or evidence.limit_s is None:
        return None
    return end_s - evidence.limit_s


def _wrong_statuses(attack: Attack, observation: Observation) -> Iterator[str]:
    if len(observation.outcomes) != len(attack.expected):
        yield f"{len(observation.outcomes)} of {len(attack.expected)} models were run"
    for number, (outcome, expected) in enumerate(zip(observation.outcomes, attack.expected, strict=False), 1):
        allowed = {expected} if observation.counted else {expected, UNCOUNTED.get(expected, expected)}
        if outcome.status not in allowed:
            why = outcome.evidence.error_message or outcome.advice
            yield f"model {number} ended as {outcome.status.value}, expected {expected.value}: {why}"


def _outcome_faults(outcome: ModelOutcome, log_bytes: int) -> Iterator[str]:
    log, evidence = outcome.log, outcome.evidence
    for line in (*log.head.splitlines(), *log.tail.splitlines()):
        if line.startswith(REACHED):
            yield f"it reached {line.removeprefix(REACHED)}"
    if evidence.limit_s is not None and (outcome.charged_s or 0.0) > evidence.limit_s + LATE_S:
        yield f"it was charged {outcome.charged_s:.2f} s under a limit of {evidence.limit_s:.2f} s"
    late_s = _overshoot_s(outcome)
    if late_s is not None and late_s > DEAD_S:
        yield f"a process of it survived the limit by {late_s:.2f} s"
    if len(log.head) + len(log.tail) > MAX_CHARS_PER_BYTE * log_bytes:
        yield f"{len(log.head) + len(log.tail)} characters of output were captured; the limit is {log_bytes} bytes"
    if any(map(_unprintable, _texts(outcome))):
        yield "its report contains control characters"
    try:
        _Written.model_validate({"outcome": asdict(outcome)}).model_dump_json()
    except (ValidationError, ValueError) as error:
        yield f"its outcome cannot be written to a report: {error}"


class _Written(Record):
    """A model's outcome as a report contains it."""

    outcome: ModelOutcome


def _texts(outcome: ModelOutcome) -> Iterator[str]:
    evidence = outcome.evidence
    yield from (outcome.log.head, outcome.log.tail, outcome.advice, *outcome.earlier_attempts, *evidence.notes)
    yield from (evidence.error_type or "", evidence.error_message or "", evidence.traceback or "")


def _unprintable(text: str) -> bool:
    return not text.replace("\n", "").replace("\t", "").isprintable()


def _miscounted(attack: Attack, observation: Observation) -> Iterator[str]:
    if attack.prints_bytes is None:
        return
    for outcome in observation.outcomes:
        log = outcome.log
        total = len(log.head.encode()) + len(log.tail.encode()) + log.dropped_bytes
        if total != attack.prints_bytes:
            yield f"{total} bytes of output were captured or counted; it printed {attack.prints_bytes}"


def _left_behind(observation: Observation) -> Iterator[str]:
    if observation.survivors:
        yield f"{observation.survivors} process(es) survived besides the guest"
    if observation.guests > 1:
        yield f"{observation.guests} guests of one session existed at the same time"


def _harm(observation: Observation) -> Iterator[str]:
    for outcome, returned in zip(observation.outcomes, observation.returned, strict=False):
        if returned and not outcome.status.finished:
            yield f"weights were accepted from a model that ended as {outcome.status.value}"
    if observation.honest is None:
        return
    if observation.honest.status is not Status.OK:
        why = observation.honest.evidence.error_message or observation.honest.advice
        yield f"the next, honest model ended as {observation.honest.status.value}: {why}"
    elif not observation.unharmed:
        yield "the weights of the next, honest model were changed"
