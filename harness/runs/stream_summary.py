"""The summary of a stream from its runs: evidence on the examples of every request, metrics, page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness._version import __version__
from harness.core.outcomes import ModelOutcome
from harness.core.progress import Progress, SilentProgress
from harness.errors import EvaluatorError
from harness.evaluation import SPLITS, Evidence, Metric
from harness.plugins.discovery import LoadedEvaluator, choose_evaluators
from harness.references.populations import Population, References
from harness.report.document import Report, RunStatus, utc_now
from harness.report.stream_document import AttackRecord, RequestSummary, StreamReport
from harness.report.stream_page import write_summary
from harness.report.stream_words import sentence
from harness.runs.budget import Limit
from harness.runs.config import RunConfig
from harness.runs.evaluators import evaluate
from harness.runs.kept_task import kept_task
from harness.runs.pipeline import RunResult
from harness.runs.requests import ORIGINALS, at_rows, models_of, read_logits
from harness.runs.scoring import forget_rows, make_evidence
from harness.runs.store import RunStore
from harness.runs.stream_metrics import change, memory_left, reversal, split_metrics
from harness.tasks.checking import load_data
from harness.tasks.task import Task, TaskData

ATTACK = ("lira", "auc")
FORGETTING = "forgetting.memory_left_worst"
NOT_FOUND = "The attack on earlier requests is missing, since the evaluator lira cannot be used: "


@dataclass(frozen=True)
class After:
    """The outputs after one request, on all examples of its reference models.

    Attributes:
        number: of the request.
        data: of its reference models: the forget set is what this and all earlier requests delete.
        populations: original (those of the first request, untouched), retrained and control.
        outcomes: of the models; ``original`` is the index in the first request.
        unlearned: index of a model -> its logits; of one that counts as its original, those that the request began with.
        limit, config, seed: of the run.
    """

    number: int
    data: TaskData
    populations: dict[str, Population]
    outcomes: Sequence[ModelOutcome]
    unlearned: dict[int, dict[str, NDArray[np.float32]]]
    limit: Limit
    config: RunConfig
    seed: int

    def evidence(self, request: int) -> Evidence:
        """Return the evidence whose forget set is what one request deletes."""
        assert self.data.requests is not None  # noqa: S101 -- it is the data of a stream
        rows = np.flatnonzero(self.data.requests == request)
        data = replace(self.data, forget=self.data.forget.take(rows), requests=None)
        unlearned = {index: forget_rows(logits, rows) for index, logits in self.unlearned.items()}
        populations = {role: at_rows(one, rows) for role, one in self.populations.items()}
        as_noop = self.config.failed_as
        return make_evidence(
            data, populations, self.outcomes, unlearned, self.limit, self.seed, "per-original", as_noop
        )


def summarise(
    folder: Path, results: Sequence[RunResult], config: RunConfig, task: Task, progress: Progress
) -> StreamReport:
    """Evaluate all requests of a stream together, and write ``summary.json`` and ``summary.html``.

    Args:
        folder: of the stream.
        results: the runs of the requests that were answered, in order; of the last one, all models may have failed.
        config, task: of the stream.
        progress: shows progress.
    """
    evaluators, warnings = _attackers()
    attacks: dict[tuple[int, int], AttackRecord] = {}
    rows: list[RequestSummary] = []
    originals: _Originals | None = None
    with progress.step("evaluating the stream", len(results)) as step:
        for number, result in enumerate(results, start=1):
            after, originals = _after(number, result, config, originals)
            if result.report.status != "failed":
                attacks |= _attacks(after, evaluators)
            rows.append(_row(after, result, attacks))
            step.advance()
    erosion = tuple(_erosion(rows))
    first = results[0].report
    report = StreamReport(
        harness_version=__version__,
        created=first.created,
        finished=utc_now(),
        status=_status([one.report for one in results], task.deletions),
        sentence=sentence(rows, erosion, task.deletions),
        task=task.name,
        description=task.description,
        definition=dict(task.definition),
        planned=task.deletions,
        plugin=first.plugin,
        runner=first.runner.name,
        requests=tuple(rows),
        attacks=tuple(attacks[pair] for pair in sorted(attacks)),
        erosion=erosion,
        warnings=tuple(dict.fromkeys([*warnings, *_warnings(results)])),
    )
    write_summary(report, folder)
    return report


def _attackers() -> tuple[list[LoadedEvaluator], list[str]]:
    try:
        return choose_evaluators((ATTACK[0],))[0], []
    except EvaluatorError as error:
        return [], [f"{NOT_FOUND}{error}"]


@dataclass(frozen=True)
class _Originals:
    """The logits of the first request's originals on every training example, by id, and on the held-out splits."""

    column: dict[str, int]
    training: NDArray[np.float32]
    population: Population

    @classmethod
    def of(cls, data: TaskData, population: Population) -> _Originals:
        ids = [*data.retain.ids.tolist(), *data.forget.ids.tolist()]
        training = np.concatenate([population.logits["retain"], population.logits["forget"]], axis=1)
        return cls({name: index for index, name in enumerate(ids)}, training, population)

    def on(self, data: TaskData) -> Population:
        """Return the population with logits on the splits of a later request; without weights and queries."""
        logits = {name: self.population.logits[name] for name in ("validation", "test")}
        for name in ("retain", "forget"):
            logits[name] = self.training[:, [self.column[one] for one in data.split(name).ids.tolist()]]
        return replace(self.population, logits=logits, read_state=None, queries={})


def _after(number: int, result: RunResult, config: RunConfig, originals: _Originals | None) -> tuple[After, _Originals]:
    """Return the outputs after a request, and the originals of the first one."""
    store = RunStore(result.folder)
    begun = store.read_run()
    task = kept_task(begun, RunConfig.from_json(begun["config"]), result.folder)
    device = "cpu" if begun["identity"]["device"][0].startswith("cpu") else "cuda"
    references = References(task, load_data(task), device=device)
    models = config.models or task.models
    populations = references.populations(models, SilentProgress())
    originals = originals or _Originals.of(references.data, populations["original"])
    bare = {role: replace(one, queries={}) for role, one in populations.items()}
    left = models_of(result.folder, models)
    ended = store.finished()
    unlearned = {index: _plain(store.logits(index)) for index, one in ended.items() if one.status.finished}
    if number > 1 and config.failed_as == "noop":
        before = read_logits(result.folder / ORIGINALS)
        failed = [index for index in ended if index not in unlearned]
        unlearned |= {index: {name: before[name][index] for name in SPLITS} for index in failed if unlearned}
    after = After(
        number,
        references.data,
        {**bare, "original": originals.on(references.data)},
        [replace(ended[index], original=left[index]) for index in sorted(ended)],
        unlearned,
        Limit.from_json(begun["limit"]),
        config,
        task.seed,
    )
    return after, originals


def _plain(logits: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    return {name: logits[name] for name in SPLITS}


def _attacks(after: After, evaluators: Sequence[LoadedEvaluator]) -> dict[tuple[int, int], AttackRecord]:
    """Return the attack on the examples of this and every earlier request."""
    found = {}
    for request in range(1, after.number + 1):
        for record in evaluate(evaluators, after.evidence(request), SilentProgress()):
            if (metric := record.metric(ATTACK[1])) is not None:
                ends = np.asarray(record.arrays.get(f"position_interval_{ATTACK[1]}", []), dtype=np.float64)
                position = (float(ends[0]), float(ends[1])) if ends.shape == (2,) else None
                memory = memory_left(metric, position)
                found[request, after.number] = AttackRecord(
                    request=request, after=after.number, metric=metric, memory=memory
                )
    return found


def _row(after: After, result: RunResult, attacks: dict[tuple[int, int], AttackRecord]) -> RequestSummary:
    report, store = result.report, RunStore(result.folder)
    evidence = after.evidence(after.number)
    back = reversal({pair: one.memory for pair, one in attacks.items()}, after.number) if attacks else None
    kept = [store.plugin_state(index) for index in range(len(report.models))]
    return RequestSummary(
        number=after.number,
        folder=result.folder.name,
        run_id=report.run_id,
        status=report.status,
        verdict=report.verdict.level,
        forget=len(evidence.labels["forget"]),
        retain=len(evidence.labels["retain"]),
        models=report.design.originals,
        returned=report.finished_models,
        limit_s=report.budget.limit_s,
        retrain_s=report.budget.retrain_min_s,
        clock=report.budget.clock,
        charged=_charged(report),
        state_bytes=max((len(one) for one in kept if one is not None), default=0),
        forgetting=report.named(FORGETTING),
        metrics=(
            *split_metrics(evidence, "retain"),
            *split_metrics(evidence, "test"),
            *([] if back is None else [back]),
        ),
    )


def _charged(report: Report) -> Metric:
    """Return what the models were charged: the evaluator's record, or the median without an interval."""
    unit = "" if report.budget.clock == "steps" else "s"
    found = report.named("efficiency.unlearn_median")
    if found is not None and report.budget.clock != "steps":
        return replace(found, name="charged")
    used = [one.charged for one in report.models if one.status.finished and one.charged is not None]
    median = statistics.median(used) if used else None
    note = "" if used else "No model was returned."
    return Metric("charged", median, "lower", "Median of what a model was charged.", unit=unit, note=note)


def _erosion(rows: Sequence[RequestSummary]) -> Iterator[Metric]:
    """Yield, for retain and test, the change of the loss from the first to the last request with returned models."""
    whole = [one for one in rows if one.returned]
    if len(whole) < 2:
        return
    for split in ("retain", "test"):
        first, last = whole[0].metric(f"{split}_loss"), whole[-1].metric(f"{split}_loss")
        if first is not None and last is not None:
            text = f"Rise of the loss of accuracy on the {split} set from request 1 to request {whole[-1].number}."
            yield replace(change(f"{split}_erosion", text, first, last), direction="lower")


def _status(reports: Sequence[Report], planned: int) -> RunStatus:
    if reports[-1].status == "failed":
        return "failed"
    return "complete" if len(reports) == planned and all(one.status == "complete" for one in reports) else "partial"


def _warnings(results: Sequence[RunResult]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for number, one in enumerate(results, start=1):
        if because := one.report.budget.undependable_because:
            reasons.setdefault(because, []).append(str(number))
    for because, numbers in reasons.items():
        yield f"Times are not dependable at request {', '.join(numbers)}: {because}."
    for number, one in enumerate(results, start=1):
        planned, returned = one.report.design.originals, one.report.finished_models
        if returned < planned:
            failed = len(one.report.models) - returned
            yield f"{failed} of {planned} models failed at request {number}{_then(one.report)}."


def _then(report: Report) -> str:
    """Return what becomes of the models that failed, a clause."""
    if not report.finished_models:
        rest = report.design.originals - len(report.models)
        unstarted = f", {rest} more {'was' if rest == 1 else 'were'} not started" if rest else ""
        return f"{unstarted}, and the stream ended"
    if report.populations.failed_as == "noop":
        return " and count as the models that it began with"
    return " and are left out from then on"
