"""The report of one run, schema version 1, as frozen pydantic models.

Dataclasses of the program that a report contains, such as :class:`harness.core.outcomes.ModelOutcome`, are parts of it as they
are: pydantic validates them like its own models, and their docstrings describe their fields in the schema.
A report is self-contained: a reader needs neither the run folder nor the cache.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from harness.core.hardware import Hardware
from harness.core.outcomes import ModelOutcome
from harness.evaluation import Clock, Metric
from harness.report.examples import DistanceRecord, ExampleRecord, ExamplesRecord, PhiRecord
from harness.report.records import IsolationLevel, JournalRecord, PluginRecord, Record, RunnerRecord
from harness.report.results import EvaluatorRecord
from harness.report.times import SpreadRecord, TimesRecord
from harness.tasks.task import ChosenForget
from harness.tasks.twins import Twins

__all__ = [
    "ArchitectureRecord",
    "BudgetRecord",
    "DesignRecord",
    "DistanceRecord",
    "EvaluatorRecord",
    "ExampleRecord",
    "ExamplesRecord",
    "IsolationLevel",
    "JournalRecord",
    "PhiRecord",
    "PluginRecord",
    "PopulationRecord",
    "PopulationsRecord",
    "Report",
    "RequestRecord",
    "RunStatus",
    "RunnerRecord",
    "SeedsRecord",
    "SpreadRecord",
    "TaskRecord",
    "TimesRecord",
    "UtcTime",
    "VerdictLevel",
    "VerdictRecord",
    "run_status",
    "utc_now",
]

SCHEMA_VERSION: Literal["1"] = "1"
CHARGED = (
    "Charged: from the moment the guest is told to start a model to the arrival of its last byte, on the host's "
    "monotonic clock. Not charged: start of the container, start of the guest, import of the plugin, loading of data "
    "and hand-over of the model."
)
UtcTime = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$")]
RunStatus = Literal["complete", "partial", "failed"]
VerdictLevel = Literal[
    "as_retrained",
    "no_difference_seen",
    "partial",
    "none",
    "over_forgetting",
    "mixed",
    "another_model",
    "not_durable",
    "unclear",
    "failed",
]


def utc_now() -> str:
    """Return the current UTC time in the report's format, to the second, e.g. ``2026-01-31T12:00:00Z``."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def run_status(models: tuple[ModelOutcome, ...]) -> RunStatus:
    """Return "complete" if every model finished, "failed" if none did (or there are none), else "partial"."""
    finished = sum(model.status.finished for model in models)
    if finished == 0:
        return "failed"
    return "complete" if finished == len(models) else "partial"


class TaskRecord(Record):
    """The task that was run."""

    name: str = Field(description="Name of the task.")
    description: str = Field("", description="One sentence.")
    definition: dict[str, JsonValue] = Field(default_factory=dict, description="The task as plain JSON values.")
    data_digest: str = Field(description="SHA-256 of all data that a result can depend on.")
    split_sizes: dict[str, int] = Field(description="Examples per split: retain, forget, validation, test.")
    class_names: tuple[str, ...] = Field(description="One name per class.")
    source: str = Field("", description="Where the task was defined: the name of a file or of a distribution.")
    twins: tuple[Twins, ...] | None = Field(
        None, description="Examples that occur in two splits, for every pair of splits; null: not checked."
    )
    chosen: ChosenForget | None = Field(
        None, description="How models chose the forget set, and their scores; null: the task names it."
    )


class ArchitectureRecord(Record):
    """The network that was trained."""

    name: str = Field(description="Registered name, or import path of a factory.")
    options: dict[str, JsonValue] = Field(default_factory=dict, description="Keyword arguments of the factory.")
    package: str | None = Field(
        None, description="Distribution and version that has the factory; null: none was named."
    )
    init: tuple[str, ...] = Field((), description="SHA-256 of each file of initial weights.")


class SeedsRecord(Record):
    """All random seeds of the run; integers of up to 63 bits."""

    run: int = Field(description="Seed of the run.")
    references: int | None = Field(None, description="Seed of the reference populations; null: unknown.")
    models: tuple[int, ...] = Field((), description="Seed of each unlearning, by index.")


class BudgetRecord(Record):
    """The limit for one model and its origin. All limits are in the clock's unit."""

    clock: Clock = Field(
        "wall",
        description="wall: seconds; cpu: CPU seconds of the sandbox; steps: examples drawn from the splits.",
    )
    limit_s: float | None = Field(description="Limit per model, in the clock's unit; null: none.")
    deadline_s: float | None = Field(
        None, description="Wall-clock seconds after which a model was killed, whatever it had used."
    )
    how: Literal["fraction", "explicit"] = Field(description="fraction of retraining, or explicit.")
    fraction: float | None = Field(
        None,
        description="Limit as a share of retrain_min_s (of retrain_median_s in reports without it); null: explicit.",
    )
    retrain_s: tuple[float, ...] = Field(
        (), description="Measured retrainings through the same runner, in the clock's unit."
    )
    retrain_median_s: float | None = Field(None, description="Median of retrain_s.")
    retrain_min_s: float | None = Field(
        None,
        description="Shortest retraining measured on this hardware, in this or an earlier run; the limit is a share of it.",
    )
    remeasured_s: tuple[float, ...] = Field(
        (), description="Retrainings measured between the models; no limit uses them."
    )
    at_rest: bool | None = Field(
        None,
        description="The machine was idle while retraining was measured; null: not measured, or an older report.",
    )
    dependable: bool | None = Field(
        None, description="The run's times are reliable, as far as known; null in older reports."
    )
    undependable_because: str = Field("", description="Why the times are not reliable; empty if they are.")
    measured_on: str | None = Field(None, description="Key of the hardware, runner and recipe it was measured on.")
    cached: bool = Field(False, description="The measurement was taken from the cache.")
    cpu_pressure: float | None = Field(
        None, ge=0, le=1, description="Share of the measured time in which a process on the machine waited for a core."
    )
    charged: str = Field(CHARGED, description="What is charged and what is not.")


class DesignRecord(Record):
    """Which originals were unlearned, and how often."""

    name: Literal["per-original", "one-original"] = Field(
        description="per-original: many originals, each unlearned; one-original: one original, unlearned repeatedly."
    )
    originals: int = Field(ge=1, description="How many originals were unlearned.")
    repeats: int = Field(ge=1, description="How often each was unlearned, with different seeds of the method.")


class PopulationRecord(Record):
    """The size of one population and its cache key."""

    size: int = Field(ge=0, description="Number of models.")
    cache_key: str | None = Field(None, description="Key in the cache of reference models; null: not cached.")
    origins: tuple[str, ...] = Field(
        (),
        description="Where models that were not trained here came from, a sentence each; empty: all were trained here.",
    )


class PopulationsRecord(Record):
    """The four populations that all metrics compare."""

    original: PopulationRecord = Field(description="Trained on retain and forget: the no-op.")
    retrained: PopulationRecord = Field(description="Trained on retain alone: the gold standard.")
    control: PopulationRecord = Field(description="Retrained with other seeds: the score of perfect unlearning.")
    unlearned: PopulationRecord = Field(description="Returned by the plugin; failed models as failed_as says.")
    failed_models: int = Field(ge=0, description="How many models the plugin did not return.")
    failed_as: Literal["missing", "noop"] = Field(
        "missing", description="missing: failed models are left out; noop: each counts as its original."
    )
    substituted: int = Field(
        0, ge=0, description="How many models of unlearned are originals that replace failed ones."
    )


class RequestRecord(Record):
    """The request of a stream that a run answered: it unlearned the models that the request before returned."""

    number: int = Field(ge=1, description="Number of the request, from 1.")
    total: int = Field(ge=2, description="Number of requests of the stream.")


class VerdictRecord(Record):
    """The result in words; :mod:`harness.report.verdict` documents the rule."""

    level: VerdictLevel = Field(description="The result in one word.")
    sentence: str = Field(description="The result in words, for readers who do not know the metrics.")
    rule: str = Field(description="The numbers from which the level was decided.")
    below_floor: bool = Field(
        False,
        description="Retain or test accuracy is so far below that of retrained models that the run is not ranked.",
    )

    def __str__(self) -> str:
        """Return the sentence."""
        return self.sentence


class Report(Record):
    """The JSON document of one run."""

    schema_version: Literal["1"] = Field(SCHEMA_VERSION, description="Version of this format.")
    harness_version: str = Field(description="Version of the program that wrote the report.")
    run_id: str = Field(description="Identifies the run, unique on this machine.")
    created: UtcTime = Field(description="When the run began, UTC.")
    finished: UtcTime | None = Field(None, description="When the run ended, UTC; null: still running.")
    rejudged: UtcTime | None = Field(None, description="When the run was last re-evaluated, UTC; null: never.")
    status: RunStatus = Field(description="complete: all models finished; partial: some; failed: none.")
    verdict: VerdictRecord = Field(description="The result in words.")
    task: TaskRecord = Field(description="The task that was run.")
    architecture: ArchitectureRecord = Field(description="The network that was trained.")
    recipe: dict[str, JsonValue] = Field(description="How originals and retrained models were trained.")
    plugin: PluginRecord = Field(description="The unlearner that was run.")
    runner: RunnerRecord = Field(description="Where the plugin ran and how it was isolated.")
    hardware: Hardware = Field(description="The machine on which the run was made.")
    libraries: dict[str, str] = Field(description="Versions of the libraries on the host, by name.")
    seeds: SeedsRecord = Field(description="All seeds.")
    design: DesignRecord = Field(description="Which originals were unlearned, and how often.")
    budget: BudgetRecord = Field(description="The time limit and where it came from.")
    populations: PopulationsRecord = Field(description="Number of models in each population.")
    journal: JournalRecord | None = Field(
        None, description="The training journal that the method was given; null if the task keeps none."
    )
    models: tuple[ModelOutcome, ...] = Field(description="The outcome of each model, by index.")
    evaluators: tuple[EvaluatorRecord, ...] = Field(description="The result of each evaluator.")
    examples: ExamplesRecord | None = Field(
        None, description="Selected forget-set examples; null in older reports and if no model finished."
    )
    phases: dict[str, float] = Field(default_factory=dict, description="Duration of each phase of the run, seconds.")
    times: TimesRecord | None = Field(None, description="Breakdown of the models' time; null in older reports.")
    cache_keys: dict[str, str] = Field(default_factory=dict, description="Keys of everything taken from a cache.")
    warnings: tuple[str, ...] = Field((), description="Sentences for the reader.")
    tags: tuple[str, ...] = Field((), description="Tags that the run was started with.")
    note: str = Field("", description="Note that the run was started with.")
    settings_tried: int | None = Field(
        None, ge=1, description="How many settings of the method were tried to choose its options; null: unknown."
    )
    request: RequestRecord | None = Field(
        None, description="The request of a stream that was answered; null: the task is no stream."
    )

    @model_validator(mode="after")
    def _counts_agree(self) -> Report:
        """Raise ValueError if counts contradict each other: a failed model is left out or counts as its original."""
        finished, made = self.finished_models, self.populations
        failed = len(self.models) - finished
        if made.substituted != (failed if made.failed_as == "noop" and finished else 0):
            raise ValueError(
                f"{made.substituted} substituted models, but {failed} failed ones count as {made.failed_as}"
            )
        if made.unlearned.size != finished + made.substituted:
            raise ValueError(f"{made.unlearned.size} unlearned models, but {finished} of status ok")
        if made.failed_models != failed:
            raise ValueError(f"failed_models is not {failed}")
        if self.status != run_status(self.models):
            raise ValueError(f"status is {self.status}, but the models say {run_status(self.models)}")
        return self

    @property
    def finished_models(self) -> int:
        """Return the number of models that the plugin returned."""
        return sum(model.status.finished for model in self.models)

    def evaluator(self, name: str) -> EvaluatorRecord | None:
        """Return the evaluator's record, or None if it is missing."""
        return next((one for one in self.evaluators if one.name == name), None)

    def metric(self, evaluator: str, name: str | None = None) -> Metric | None:
        """Return a metric, as ``metric("lira.auc")`` or ``metric("lira", "auc")``; None if it is missing."""
        if name is None:
            return self.named(evaluator)
        found = self.evaluator(evaluator)
        return None if found is None else found.metric(name)

    def named(self, name: str) -> Metric | None:
        """Return a metric by its full name, e.g. "lira.auc", or None if it is missing."""
        evaluator, _, short = name.partition(".")
        return self.metric(evaluator, short)
