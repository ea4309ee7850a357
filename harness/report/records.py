"""Parts of the report that mirror the program's own dataclasses, each with a constructor from its dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from harness.evaluation import Clock
from harness.outcomes import Evidence, LogCapture, ModelOutcome, Status
from harness.runners.base import Limits, PluginFacts, RunnerFacts

IsolationLevel = Literal["run", "model"]


class Record(BaseModel):
    """Base of all parts of a report: frozen, no unknown keys, no NaN and no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EvidenceRecord(Record):
    """What was seen when a model ended; mirrors :class:`harness.outcomes.Evidence`."""

    elapsed_s: float | None = Field(None, description="Seconds from start to the last byte or to the kill.")
    limit_s: float | None = Field(None, description="The limit in force, seconds.")
    dead_s: float | None = Field(None, description="Seconds from start until nothing of the model lived any more.")
    exit_code: int | None = Field(None, description="Exit status of the model's process.")
    signal: int | None = Field(None, description="Number of the signal that ended the model's process.")
    oom_killed: bool = Field(False, description="The kernel's out-of-memory killer struck while this model ran.")
    refused_forks: int | None = Field(None, description="Processes and threads that the limit on them refused.")
    guest_exit_code: int | None = Field(None, description="How the guest ended, where it ended with this model.")
    bytes_received: int | None = Field(None, description="Length of the weights received, bytes.")
    last_frame: str | None = Field(None, description="Name of the last protocol frame that came from the guest.")
    error_type: str | None = Field(None, description="Name of the exception class that the plugin raised.")
    error_message: str | None = Field(None, description="Text of the plugin's exception.")
    traceback: str | None = Field(None, description="The last lines of the plugin's traceback.")
    notes: tuple[str, ...] = Field((), description="Troubles of teardown and of other kinds; never the primary cause.")

    @classmethod
    def from_evidence(cls, evidence: Evidence) -> EvidenceRecord:
        """The record of a dataclass of the same fields."""
        return cls(**vars(evidence))


class LogRecord(Record):
    """What the plugin printed for one model; mirrors :class:`harness.outcomes.LogCapture`."""

    head: str = Field("", description="The first bytes, decoded, control characters made visible.")
    tail: str = Field("", description="The last bytes where some were dropped between, else empty.")
    dropped_bytes: int = Field(0, ge=0, description="How many bytes between head and tail were not kept.")

    @classmethod
    def from_capture(cls, log: LogCapture) -> LogRecord:
        """The record of a dataclass of the same fields."""
        return cls(**vars(log))


class ModelRecord(Record):
    """The end of one model; mirrors :class:`harness.outcomes.ModelOutcome`."""

    index: int = Field(ge=0, description="Number of the unlearning within the run, 0-based.")
    original: int = Field(0, ge=0, description="Which original of the population was unlearned, 0-based.")
    seed: int = Field(description="The seed that the guest was given.")
    status: Status = Field(description="The one primary cause of the model's end.")
    advice: str = Field("", description="What the plugin's author can do; empty when ok.")
    charged_s: float | None = Field(
        None,
        description="Seconds charged to the method (processor seconds where the clock is cpu); null: never started.",
    )
    prepare_s: float | None = Field(None, description="Seconds of handing over the model; not charged.")
    start_s: float | None = Field(None, description="Seconds of waiting for the start of guests; not charged.")
    after_s: float | None = Field(None, description="All other seconds that the sandbox took for it; not charged.")
    judge_s: float | None = Field(None, description="Seconds of computing and keeping its logits; not charged.")
    cpu_pressure: float | None = Field(
        None, ge=0, le=1, description="Share of charged_s in which something on this machine waited for a core."
    )
    peak_rss_mib: float | None = Field(None, description="Peak resident memory of the model's process, MiB.")
    peak_gpu_mib: float | None = Field(None, description="Peak memory of the CUDA allocator, MiB; null on CPU.")
    evidence: EvidenceRecord = Field(default_factory=EvidenceRecord, description="What the status was decided from.")
    log: LogRecord = Field(default_factory=LogRecord, description="What the plugin printed.")
    cpu_s: float | None = Field(None, ge=0, description="Processor seconds of all its processes; null: not known.")
    examples: int | None = Field(None, ge=0, description="Examples it drew, as it counted itself; null: not known.")
    clock: Clock = Field("wall", description="What counted against the limit; see budget.clock.")
    attempts: int = Field(1, ge=1, description="How many times this model was started, this one included.")
    earlier_attempts: tuple[str, ...] = Field((), description="How the attempts before this one ended, oldest first.")
    import_s: float | None = Field(
        None,
        ge=0,
        description="Seconds in which the plugin was imported, before the clock began; not charged; null: it did not end.",
    )
    unchanged: bool | None = Field(
        None, description="The weights that came back are the original's, bit for bit; null: none came back."
    )

    @property
    def elapsed_s(self) -> float | None:
        """Seconds on the host's clock from the start to the end; None when it never started."""
        return self.charged_s if self.evidence.elapsed_s is None else self.evidence.elapsed_s

    @property
    def charged(self) -> float | None:
        """What counted against the limit, in the clock's unit; None if unknown."""
        return self.charged_s if self.clock != "steps" else None if self.examples is None else float(self.examples)

    @classmethod
    def from_outcome(cls, outcome: ModelOutcome) -> ModelRecord:
        """The record of one model's outcome."""
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
    location: str = Field(description="Path or requirement it was taken from.")
    files: dict[str, str] = Field(default_factory=dict, description="SHA-256 per file of the distribution.")
    digest: str = Field("", description="SHA-256 over files and versions of all dependencies.")
    dependencies: dict[str, str] = Field(default_factory=dict, description="Versions of what is installed beside it.")
    options: dict[str, JsonValue] = Field(default_factory=dict, description="Options handed to the plugin.")

    @classmethod
    def from_facts(cls, facts: PluginFacts, options: Mapping[str, Any] | None = None) -> PluginRecord:
        """The record of a plugin; ``options`` are JSON values handed to it."""
        nested = {"files": dict(facts.files), "dependencies": dict(facts.dependencies), "options": dict(options or {})}
        return cls(**{**vars(facts), **nested})


class JournalRecord(Record):
    """The record of the originals' training that the method was given, and what the disk paid for it."""

    kind: Literal["updates", "checkpoints"] = Field(
        description="updates: what batches did to the weights; checkpoints: the network before each stage of SISA."
    )
    originals: int = Field(ge=1, description="How many originals have a journal.")
    bytes_total: int = Field(ge=0, description="Length of all journals' files, bytes.")
    bytes_per_original: float = Field(ge=0, description="Their mean length, bytes.")
    updates: Literal["touched", "all"] | None = Field(
        None, description="touched: of batches that hold a forget example; null for checkpoints."
    )
    steps: int | None = Field(None, ge=0, description="Steps of a training; null for checkpoints.")
    touched_steps: float | None = Field(None, ge=0, description="Steps whose batch holds a forget example, mean.")
    stored_steps: float | None = Field(None, ge=0, description="Steps whose update is stored, mean over originals.")
    shards: int | None = Field(None, ge=1, description="Constituents of the network (SISA).")
    slices: int | None = Field(None, ge=1, description="Slices of a shard, and checkpoints kept (SISA).")
    shard_by: Literal["example", "subject"] | None = Field(
        None, description="What stays together in a shard and a slice (SISA)."
    )


class LimitsRecord(Record):
    """What a guest might use, as asked for; mirrors :class:`harness.runners.base.Limits`."""

    memory_mib: int | None = Field(None, description="Memory of the container, MiB, no swap; null: not limited.")
    pids: int | None = Field(None, description="Processes and threads.")
    cpus: float | None = Field(None, description="CPU cores.")
    tmpfs_mib: int | None = Field(None, description="Size of /tmp, MiB; counts towards memory.")
    shm_mib: int | None = Field(None, description="Size of /dev/shm, MiB; counts towards memory.")
    log_bytes: int = Field(description="Kept output per model, bytes.")

    @classmethod
    def from_limits(cls, limits: Limits) -> LimitsRecord:
        """The record of a dataclass of the same fields."""
        return cls(**vars(limits))


class RunnerRecord(Record):
    """Where the plugin ran and what held it; mirrors :class:`harness.runners.base.RunnerFacts`."""

    name: str = Field(description="docker or process.")
    isolation: str = Field(description="One sentence about what holds and what does not.")
    isolation_level: IsolationLevel = Field(description="run: one guest for all models; model: a guest per model.")
    image: str | None = Field(None, description="Digest of the sandbox image; null for the process runner.")
    engine: dict[str, JsonValue] = Field(default_factory=dict, description="Versions and properties of the engine.")
    requested: LimitsRecord = Field(description="Limits as asked for.")
    effective: dict[str, JsonValue] | None = Field(None, description="Limits as found in force; null: not known.")
    gpu: dict[str, JsonValue] | None = Field(None, description="GPUs given and by which path; null on CPU.")
    torch: str | None = Field(None, description="Version of torch inside the sandbox.")
    python: str | None = Field(None, description="Version of Python inside the sandbox.")

    @classmethod
    def from_facts(cls, facts: RunnerFacts, isolation_level: IsolationLevel) -> RunnerRecord:
        """The record of a runner's facts."""
        nested = {
            "engine": dict(facts.engine),
            "requested": LimitsRecord.from_limits(facts.requested),
            "effective": None if facts.effective is None else dict(facts.effective),
            "gpu": None if facts.gpu is None else dict(facts.gpu),
        }
        return cls(**{**vars(facts), **nested}, isolation_level=isolation_level)
