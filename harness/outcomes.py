"""What became of one model in the sandbox: the values that runners produce and reports carry."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from harness.evaluation import Clock


class Status(str, enum.Enum):
    """The one primary cause of a model's end, written once; see ``docs/reference/statuses.md`` for each one's meaning."""

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
        """A whole, valid state came back in time: the model is judged."""
        return self in (Status.OK, Status.OK_DEGRADED)


@dataclass(frozen=True)
class Evidence:
    """What was seen when a model ended; the status is decided from this alone.

    Attributes:
        elapsed_s: seconds on the host's monotonic clock from "start" to the last byte or to the kill.
        limit_s: the limit in force, seconds.
        dead_s: seconds from "start" to the moment at which nothing of the model lived any more; None when it never started
            or that was not seen.
        exit_code: exit status of the model's process, None where it was killed by a signal or never ended.
        signal: number of the signal that ended the model's process.
        oom_killed: the kernel's out-of-memory killer struck inside the sandbox while this model ran.
        refused_forks: how often the kernel refused a process or thread for the limit on them while this model ran; None
            where that cannot be told.
        guest_exit_code: how the guest itself ended, where it ended with this model.
        bytes_received: length of the weights received, bytes.
        last_frame: name of the last protocol frame that came from the guest.
        error_type: name of the exception class that the plugin raised.
        error_message: its text, control characters removed, at most 2,000 characters.
        traceback: the last lines of its traceback, at most 8,000 characters.
        notes: troubles of teardown and of other kinds, in the order in which they were seen; never the primary cause.
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
    """What the plugin printed for one model, within the byte cap.

    Attributes:
        head: the first bytes, decoded, control characters made visible.
        tail: the last bytes where some were dropped between, else empty.
        dropped_bytes: how many bytes stand between head and tail and were not kept.
    """

    head: str = ""
    tail: str = ""
    dropped_bytes: int = 0


@dataclass(frozen=True)
class ModelOutcome:
    """The end of one model: status, advice for the author, times.

    Attributes:
        index: number of the unlearning within the run, 0-based; the same as ``original`` in a run without repeats.
        seed: the seed the guest was given.
        status: primary cause.
        advice: one sentence that tells the author what to do; empty when ok.
        charged_s: seconds charged to the method: on the host's clock, or processor seconds where these are limited
            (``clock`` "cpu"); None when it never started or that is not known.
        prepare_s: seconds from handing over the model to the guest being ready to start it; not charged.
        start_s: seconds of starting guests that this model, or the next ones, had to wait for; not charged.
        after_s: all other seconds that the sandbox took for it: cleaning up, looking at what came back; not charged.
        judge_s: seconds of computing its logits on the host and keeping them; not charged.
        cpu_pressure: share of the charged time, 0 to 1, in which some process of this machine waited for a core; None if
            unknown.
        peak_rss_mib: peak resident memory of the model's process, MiB, as the kernel counted it.
        peak_gpu_mib: peak memory of the CUDA allocator, MiB, as the guest reported it; None on CPU.
        evidence: what the status was decided from.
        log: what the plugin printed.
        attempts: how many times this model was started, this one included.
        earlier_attempts: one sentence for each attempt before this one that says how it ended, oldest first.
        original: which original of the population was unlearned, 0-based.
        cpu_s: processor seconds of the sandbox from "start" to the end, those of all its processes together; None if unknown.
        examples: how many examples were drawn from the splits and their loaders, as the model's process counted; None if it did
            not end by itself.
        clock: what its limit counted: "wall" (seconds), "cpu" (processor seconds) or "steps" (examples).
        import_s: seconds in which the plugin was imported, before the clock began; not charged; None if that did not end.
        unchanged: the weights that came back are the original's, bit for bit; None where none came back.
    """

    index: int
    seed: int
    status: Status
    advice: str = ""
    charged_s: float | None = None
    prepare_s: float | None = None
    cpu_pressure: float | None = None
    peak_rss_mib: float | None = None
    peak_gpu_mib: float | None = None
    evidence: Evidence = field(default_factory=Evidence)
    log: LogCapture = field(default_factory=LogCapture)
    attempts: int = 1
    earlier_attempts: tuple[str, ...] = ()
    original: int = 0
    start_s: float | None = None
    after_s: float | None = None
    judge_s: float | None = None
    cpu_s: float | None = None
    examples: int | None = None
    clock: Clock = "wall"
    import_s: float | None = None
    unchanged: bool | None = None

    @property
    def charged(self) -> float | None:
        """What counted against the limit, in its unit; None if unknown."""
        if self.clock == "steps":
            return None if self.examples is None else float(self.examples)
        return self.charged_s


def told(outcome: ModelOutcome) -> str:
    """One sentence on how an attempt ended, for the account of a later one."""
    evidence = outcome.evidence
    when = "before it was started" if evidence.elapsed_s is None else f"after {evidence.elapsed_s:.2f} s"
    how = "" if evidence.guest_exit_code is None else f", the guest with exit status {evidence.guest_exit_code}"
    why = "" if evidence.error_message is None else f": {evidence.error_message}"
    return f"{outcome.status.value} {when}{how}{why}"
