"""Parts of the report that mirror the program's dataclasses, each with a constructor from its dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from harness.core.outcomes import Evidence, LogCapture, ModelOutcome, Status
from harness.evaluation import Clock
from harness.runners.base import Limits, PluginFacts, RunnerFacts

IsolationLevel = Literal["run", "model"]


class Record(BaseModel):
    """Base class of all parts of a report: frozen, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EvidenceRecord(Record):
    """Observations at the end of a model; mirrors :class:`harness.core.outcomes.Evidence`."""

    elapsed_s: float | None = Field(None, description="Seconds from start to the last byte or to the kill.")
    limit_s: float | None = Field(None, description="The time limit, seconds.")
    dead_s: float | None = Field(None, description="Seconds from start until the model's last process had ended.")
    exit_code: int | None = Field(None, description="Exit status of the model's process.")
    signal: int | None = Field(None, description="Number of the signal that ended the model's process.")
    oom_killed: bool = Field(False, description="The kernel's out-of-memory killer ran while this model ran.")
    refused_forks: int | None = Field(None, description="Number of processes and threads refused by the process limit.")
    guest_exit_code: int | None = Field(None, description="Exit status of the guest, if it ended with this model.")
    bytes_received: int | None = Field(None, description="Length of the weights received, bytes.")
    last_frame: str | None = Field(None, description="Name of the last protocol frame received from the guest.")
    error_type: str | None = Field(None, description="Name of the exception class that the plugin raised.")
    error_message: str | None = Field(None, description="Text of the plugin's exception.")
    traceback: str | None = Field(None, description="The last lines of the plugin's traceback.")
    notes: tuple[str, ...] = Field((), description="Secondary problems, e.g. during teardown; never the primary cause.")

    @classmethod
    def from_evidence(cls, evidence: Evidence) -> EvidenceRecord:
        """Return the record of an evidence dataclass."""
        return cls(**vars(evidence))


class LogRecord(Record):
    """Output of the plugin for one model; mirrors :class:`harness.core.outcomes.LogCapture`."""

    head: str = Field("", description="The first bytes, decoded, control characters made visible.")
    tail: str = Field("", description="The last bytes if some in between were dropped, else empty.")
    dropped_bytes: int = Field(0, ge=0, description="Number of bytes dropped between head and tail.")

    @classmethod
    def from_capture(cls, log: LogCapture) -> LogRecord:
        """Return the record of a log-capture dataclass."""
        return cls(**vars(log))


class ModelRecord(Record):
    """The outcome of one model; mirrors :class:`harness.core.outcomes.ModelOutcome`."""

    index: int = Field(ge=0, description="Number of the unlearning within the run, 0-based.")
    original: int = Field(0, ge=0, description="Which original of the population was unlearned, 0-based.")
    seed: int = Field(description="Seed passed to the guest.")
    status: Status = Field(description="Outcome of the model, by its primary cause.")
    advice: str = Field("", description="Advice to the plugin's author; empty if ok.")
    charged_s: float | None = Field(
        None,
        description="Seconds charged to the method (CPU seconds if the clock is cpu); null: never started.",
    )
    prepare_s: float | None = Field(None, description="Seconds of handing over the model; not charged.")
    start_s: float | None = Field(None, description="Seconds of waiting for guests to start; not charged.")
    after_s: float | None = Field(None, description="All other seconds of the sandbox for this model; not charged.")
    judge_s: float | None = Field(None, description="Seconds of computing and storing its logits; not charged.")
    cpu_pressure: float | None = Field(
        None, ge=0, le=1, description="Share of charged_s in which a process on this machine waited for a core."
    )
    peak_rss_mib: float | None = Field(None, description="Peak resident memory of the model's process, MiB.")
    peak_gpu_mib: float | None = Field(None, description="Peak memory of the CUDA allocator, MiB; null on CPU.")
    evidence: EvidenceRecord = Field(default_factory=EvidenceRecord, description="What the status was decided from.")
    log: LogRecord = Field(default_factory=LogRecord, description="What the plugin printed.")
    cpu_s: float | None = Field(None, ge=0, description="CPU seconds of all its processes; null: unknown.")
    examples: int | None = Field(None, ge=0, description="Examples drawn, as counted in the guest; null: unknown.")
    clock: Clock = Field("wall", description="Unit of the limit; see budget.clock.")
    attempts: int = Field(1, ge=1, description="How many times this model was started, this one included.")
    earlier_attempts: tuple[str, ...] = Field((), description="How the attempts before this one ended, oldest first.")
    import_s: float | None = Field(
        None,
        ge=0,
        description="Seconds of importing the plugin, before the clock started; not charged; null: the import did not end.",
    )
    unchanged: bool | None = Field(
        None, description="The returned weights are bitwise identical to the original's; null: none were returned."
    )

    @property
    def elapsed_s(self) -> float | None:
        """Return seconds on the host's clock from start to end; None if the model never started."""
        return self.charged_s if self.evidence.elapsed_s is None else self.evidence.elapsed_s

    @property
    def charged(self) -> float | None:
        """Return the amount charged against the limit, in the clock's unit; None if unknown."""
        return self.charged_s if self.clock != "steps" else None if self.examples is None else float(self.examples)

    @classmethod
    def from_outcome(cls, outcome: ModelOutcome) -> ModelRecord:
        """Return the record of a model's outcome."""
        nested = {
            "evidence": EvidenceRecord.from_evidence(outcome.evidence),
            "log": LogRecord.from_capture(outcome.log),
        }
        return cls(**{**vars(outcome), **nested})


class PluginRecord(Record):
    """The unlearner that was run; mirrors :class:`harness.runners.base.PluginFacts`."""

    name: str = Field(description="Entry-point name.")
    value: str = Field(description='Entry point, "module:attribute".')
    distribution: str = Field(description="Distribution that provides the plugin.")
    version: str = Field(description="Version of the distribution.")
    origin: str = Field(description="installed, editable, wheel, source, requirement or bundled.")
    location: str = Field(description="Path or requirement from which it was installed.")
    files: dict[str, str] = Field(default_factory=dict, description="SHA-256 per file of the distribution.")
    digest: str = Field("", description="SHA-256 over files and versions of all dependencies.")
    dependencies: dict[str, str] = Field(
        default_factory=dict, description="Versions of the distributions installed with it."
    )
    options: dict[str, JsonValue] = Field(default_factory=dict, description="Options passed to the plugin.")

    @classmethod
    def from_facts(cls, facts: PluginFacts, options: Mapping[str, Any] | None = None) -> PluginRecord:
        """Return the record of a plugin; ``options`` are the JSON values passed to it."""
        nested = {"files": dict(facts.files), "dependencies": dict(facts.dependencies), "options": dict(options or {})}
        return cls(**{**vars(facts), **nested})


class JournalRecord(Record):
    """The training journal of the originals that the method was given, and its size on disk."""

    kind: Literal["updates", "checkpoints"] = Field(
        description="updates: the weight change of each batch; checkpoints: the network before each stage of SISA."
    )
    originals: int = Field(ge=1, description="How many originals have a journal.")
    bytes_total: int = Field(ge=0, description="Total size of all journal files, bytes.")
    bytes_per_original: float = Field(ge=0, description="Mean size of a journal, bytes.")
    updates: Literal["touched", "all"] | None = Field(
        None, description="touched: only batches with a forget example; all: every batch; null for checkpoints."
    )
    steps: int | None = Field(None, ge=0, description="Steps of a training; null for checkpoints.")
    touched_steps: float | None = Field(
        None, ge=0, description="Steps with a forget example in the batch, mean over originals."
    )
    stored_steps: float | None = Field(None, ge=0, description="Steps whose update is stored, mean over originals.")
    shards: int | None = Field(None, ge=1, description="Constituents of the network (SISA).")
    slices: int | None = Field(None, ge=1, description="Slices of a shard, and checkpoints kept (SISA).")
    shard_by: Literal["example", "subject"] | None = Field(
        None, description="Unit that is never split between shards or slices (SISA)."
    )


class LimitsRecord(Record):
    """Requested limits of a guest; mirrors :class:`harness.runners.base.Limits`."""

    memory_mib: int | None = Field(None, description="Memory of the container, MiB, no swap; null: not limited.")
    pids: int | None = Field(None, description="Processes and threads.")
    cpus: float | None = Field(None, description="CPU cores.")
    tmpfs_mib: int | None = Field(None, description="Size of /tmp, MiB; counts towards memory.")
    shm_mib: int | None = Field(None, description="Size of /dev/shm, MiB; counts towards memory.")
    log_bytes: int = Field(description="Output kept per model, bytes.")

    @classmethod
    def from_limits(cls, limits: Limits) -> LimitsRecord:
        """Return the record of a limits dataclass."""
        return cls(**vars(limits))


class RunnerRecord(Record):
    """Where the plugin ran and how it was isolated; mirrors :class:`harness.runners.base.RunnerFacts`."""

    name: str = Field(description="docker or process.")
    isolation: str = Field(description="One sentence on the isolation in force.")
    isolation_level: IsolationLevel = Field(description="run: one guest for all models; model: a guest per model.")
    image: str | None = Field(None, description="Digest of the sandbox image; null for the process runner.")
    engine: dict[str, JsonValue] = Field(default_factory=dict, description="Versions and properties of the engine.")
    requested: LimitsRecord = Field(description="Limits as requested.")
    effective: dict[str, JsonValue] | None = Field(
        None, description="Limits as read back from the system; null: unknown."
    )
    gpu: dict[str, JsonValue] | None = Field(
        None, description="GPUs assigned and how they reach the sandbox; null on CPU."
    )
    torch: str | None = Field(None, description="Version of torch inside the sandbox.")
    python: str | None = Field(None, description="Version of Python inside the sandbox.")

    @classmethod
    def from_facts(cls, facts: RunnerFacts, isolation_level: IsolationLevel) -> RunnerRecord:
        """Return the record of a runner's facts."""
        nested = {
            "engine": dict(facts.engine),
            "requested": LimitsRecord.from_limits(facts.requested),
            "effective": None if facts.effective is None else dict(facts.effective),
            "gpu": None if facts.gpu is None else dict(facts.gpu),
        }
        return cls(**{**vars(facts), **nested}, isolation_level=isolation_level)
