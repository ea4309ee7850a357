"""Outcome of one model in the sandbox, as runners produce it and reports contain it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Le

from harness.evaluation import Clock


class Status(str, enum.Enum):
    """The primary cause of a model's end; ``docs/reference/statuses.md`` defines each."""

    OK = "ok"
    OK_DEGRADED = "ok_degraded"
    PLUGIN_ERROR = "plugin_error"
    TIMEOUT = "timeout"
    OOM = "oom"
    OOM_GPU = "oom_gpu"
    DISK_FULL = "disk_full"
    PIDS_LIMIT = "pids_limit"
    KILLED_SIGNAL = "killed_signal"
    OUTPUT_MISSING = "output_missing"
    OUTPUT_INVALID = "output_invalid"
    OUTPUT_TOO_LARGE = "output_too_large"
    POLICY_VIOLATION = "policy_violation"
    SETUP_ERROR = "setup_error"
    INFRA_ERROR = "infra_error"

    @property
    def finished(self) -> bool:
        """Return True if a complete, valid state came back in time, so that the model is scored."""
        return self in (Status.OK, Status.OK_DEGRADED)


@dataclass(frozen=True)
class Evidence:
    """Observations at a model's end; the status is decided from these alone.

    Attributes:
        elapsed_s: seconds on the host's monotonic clock from "start" to the last byte or to the kill.
        limit_s: time limit of the model, seconds.
        dead_s: seconds from "start" until no process of the model was left; None if it never started or that is unknown.
        exit_code: exit status of the model's process; None if a signal killed it or it never ended.
        signal: number of the signal that ended the model's process.
        oom_killed: True if the kernel's out-of-memory killer killed a process in the sandbox while this model ran.
        refused_forks: number of processes or threads that the kernel refused (pids limit) while this model ran; None if
            unknown.
        guest_exit_code: exit status of the guest itself, if it ended with this model.
        bytes_received: length of the weights received, bytes.
        last_frame: name of the last protocol frame received from the guest.
        error_type: name of the exception class that the plugin raised.
        error_message: text of the exception, control characters removed, at most 2,000 characters.
        traceback: the last lines of the exception's traceback, at most 8,000 characters.
        notes: secondary problems, e.g. of teardown, in the order in which they were seen; never the primary cause.
    """

    elapsed_s: float | None = None
    limit_s: float | None = None
    dead_s: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    oom_killed: bool = False
    refused_forks: int | None = None
    guest_exit_code: int | None = None
    bytes_received: int | None = None
    last_frame: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    traceback: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LogCapture:
    """Captured output of the plugin for one model, within the byte limit.

    Attributes:
        head: the first bytes, decoded, control characters escaped.
        tail: the last bytes, if some before them were dropped, else empty.
        dropped_bytes: number of bytes dropped between head and tail.
    """

    head: str = ""
    tail: str = ""
    dropped_bytes: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True)
class ModelOutcome:
    """Outcome of one model: status, advice for the author, times.

    Attributes:
        index: number of the unlearning within the run, 0-based; equals ``original`` in a run without repeats.
        seed: seed passed to the guest.
        status: primary cause of the model's end.
        advice: a sentence of advice for the author; empty if ok.
        charged_s: seconds charged to the method: on the host's clock, or CPU seconds if ``clock`` is "cpu"; None if
            it never started or the time is unknown.
        prepare_s: seconds from sending the model until the guest is ready to start it; not charged.
        start_s: seconds of waiting for guests to start, for this model or the next ones; not charged.
        after_s: all other seconds of the sandbox for this model: cleanup, checks of the returned weights; not charged.
        judge_s: seconds of computing and storing the model's logits on the host; not charged.
        cpu_pressure: share of the charged time, 0 to 1, in which some process of this machine waited for a core; None if
            unknown.
        peak_rss_mib: peak resident memory of the model's process, MiB, as the kernel counted it.
        peak_gpu_mib: peak memory of the CUDA allocator, MiB, as the guest reported it; None on CPU.
        evidence: observations that the status was decided from.
        log: output of the plugin.
        attempts: number of starts of this model, including this one.
        earlier_attempts: a sentence on the end of each earlier attempt, oldest first.
        original: index of the original that was unlearned, 0-based.
        cpu_s: CPU seconds of all processes in the sandbox from "start" to the end; None if unknown.
        examples: number of examples drawn from the splits and their loaders, as counted by the model's process; None if the
            process was killed.
        clock: unit of the limit: "wall" (seconds), "cpu" (CPU seconds) or "steps" (examples).
        import_s: seconds of importing the plugin, before the clock started; not charged; None if the import did not finish.
        unchanged: True if the returned weights equal the original's bit for bit; None if none came back.
    """

    index: Annotated[int, Ge(0)]
    seed: int
    status: Status
    advice: str = ""
    charged_s: float | None = None
    prepare_s: float | None = None
    cpu_pressure: Annotated[float | None, Ge(0), Le(1)] = None
    peak_rss_mib: float | None = None
    peak_gpu_mib: float | None = None
    evidence: Evidence = field(default_factory=Evidence)
    log: LogCapture = field(default_factory=LogCapture)
    attempts: Annotated[int, Ge(1)] = 1
    earlier_attempts: tuple[str, ...] = ()
    original: Annotated[int, Ge(0)] = 0
    start_s: float | None = None
    after_s: float | None = None
    judge_s: float | None = None
    cpu_s: Annotated[float | None, Ge(0)] = None
    examples: Annotated[int | None, Ge(0)] = None
    clock: Clock = "wall"
    import_s: Annotated[float | None, Ge(0)] = None
    unchanged: bool | None = None

    @property
    def elapsed_s(self) -> float | None:
        """Return seconds on the host's clock from start to end; None if the model never started."""
        return self.charged_s if self.evidence.elapsed_s is None else self.evidence.elapsed_s

    @property
    def charged(self) -> float | None:
        """Return the amount that counted against the limit, in the limit's unit; None if unknown."""
        if self.clock == "steps":
            return None if self.examples is None else float(self.examples)
        return self.charged_s


def told(outcome: ModelOutcome) -> str:
    """Return a sentence on how an attempt ended, for the record of a later attempt."""
    evidence = outcome.evidence
    when = "before it was started" if evidence.elapsed_s is None else f"after {evidence.elapsed_s:.2f} s"
    how = "" if evidence.guest_exit_code is None else f", the guest with exit status {evidence.guest_exit_code}"
    why = "" if evidence.error_message is None else f": {evidence.error_message}"
    return f"{outcome.status.value} {when}{how}{why}"
