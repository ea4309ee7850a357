"""Parts of the report that a dataclass of the program extends, and the base class of all other parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from harness.runners.base import Limits as Limits  # pydantic before 2.10 looks for inherited fields' types here
from harness.runners.base import PluginFacts, RunnerFacts

SUPPLIED = "outputs"
"""Origin of a method whose outputs were supplied by its author, ``harness score``."""

IsolationLevel = Literal["run", "model"]


class Record(BaseModel):
    """Base class of all parts of a report: frozen, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class PluginRecord(PluginFacts):
    """The unlearner that was run.

    Attributes:
        options: options passed to the plugin.
    """

    options: Mapping[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def from_facts(cls, facts: PluginFacts, options: Mapping[str, Any] | None = None) -> PluginRecord:
        """Return the record of a plugin; ``options`` are the JSON values passed to it."""
        return cls(**vars(facts), options=dict(options or {}))


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


@dataclass(frozen=True)
class RunnerRecord(RunnerFacts):
    """Where the plugin ran and how it was isolated.

    Attributes:
        isolation_level: "run": one guest for all models; "model": a guest per model.
    """

    isolation_level: IsolationLevel = field(kw_only=True)

    @classmethod
    def from_facts(cls, facts: RunnerFacts, isolation_level: IsolationLevel) -> RunnerRecord:
        """Return the record of a runner's facts."""
        return cls(**vars(facts), isolation_level=isolation_level)
