"""The summary of a stream of requests, schema version 1, as frozen pydantic models; ``summary.json`` in the stream's folder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from harness.evaluation import Clock, Metric
from harness.report.document import RunStatus, UtcTime, VerdictLevel
from harness.report.records import PluginRecord, Record

SUMMARY = "summary.json"


class AttackRecord(Record):
    """The membership attack on the examples of one request, after the same or a later one."""

    request: int = Field(ge=1, description="Number of the request that deleted the examples.")
    after: int = Field(ge=1, description="Number of the request after which the models were attacked.")
    metric: Metric = Field(description="AUC of LiRA; no-op: the originals of the first request.")
    memory: Metric = Field(description="Share of the originals' memory that the attack finds; 0: as retrained models.")


class RequestSummary(Record):
    """One request of a stream: a run, and metrics of the models after it."""

    number: int = Field(ge=1, description="Number of the request, from 1.")
    folder: str = Field(description="The run's folder, within that of the stream.")
    run_id: str = Field(description="The run's id.")
    status: RunStatus = Field(description="The run's status.")
    verdict: VerdictLevel = Field(description="The run's verdict on the examples of this request.")
    forget: int = Field(ge=1, description="Number of examples that the request deletes.")
    retain: int = Field(ge=1, description="Number of training examples that are left after it.")
    models: int = Field(ge=1, description="Number of models that the request began with.")
    returned: int = Field(ge=0, description="Number of models that the plugin returned.")
    limit_s: float | None = Field(description="Limit per model, in the clock's unit; null: none.")
    retrain_s: float | None = Field(description="Retraining on what is left, in the clock's unit; null: not measured.")
    clock: Clock = Field(description="Unit of limit_s and retrain_s.")
    charged: Metric = Field(description="What a model was charged, median, in the clock's unit.")
    state_bytes: int = Field(ge=0, description="Size of the largest state that the plugin kept for the next request.")
    forgetting: Metric | None = Field(
        description="The run's forgetting.memory_left_worst on the examples of this request; its no-op are the models that the "
        "request began with. null: not computed."
    )
    metrics: tuple[Metric, ...] = Field(description="Accuracy, loss against retrained models, reversal.")

    def metric(self, name: str) -> Metric | None:
        """Return the metric of that name; None without it."""
        return next((one for one in self.metrics if one.name == name), None)


class StreamReport(Record):
    """The summary of a stream of requests."""

    schema_version: Literal["1"] = Field("1", description="Version of this format.")
    harness_version: str = Field(description="Version of the program that wrote the summary.")
    created: UtcTime = Field(description="When the stream began, UTC.")
    finished: UtcTime = Field(description="When it ended, UTC.")
    status: RunStatus = Field(
        description="complete: every model of every request was returned; failed: none at some request."
    )
    sentence: str = Field(description="The result in words.")
    task: str = Field(description="Name of the task.")
    description: str = Field(description="The task in one sentence.")
    definition: dict[str, JsonValue] = Field(description="The task as plain JSON values.")
    planned: int = Field(ge=2, description="Number of requests of the task.")
    plugin: PluginRecord = Field(description="The unlearner that was run.")
    runner: str = Field(description="Name of the runner.")
    requests: tuple[RequestSummary, ...] = Field(description="The requests that were answered, in order.")
    attacks: tuple[AttackRecord, ...] = Field(
        description="The attack on each request's examples after it and each later one."
    )
    erosion: tuple[Metric, ...] = Field(description="Change of the losses from the first to the last request.")
    warnings: tuple[str, ...] = Field(description="Sentences for the reader.")

    def attack(self, request: int, after: int) -> Metric | None:
        """Return the attack on the examples of ``request`` after another; None without it."""
        return next((one.metric for one in self.attacks if (one.request, one.after) == (request, after)), None)

    def memory(self, request: int, after: int) -> Metric | None:
        """Return the memory left of the examples of ``request`` after another; None without it."""
        return next((one.memory for one in self.attacks if (one.request, one.after) == (request, after)), None)
