"""The report before evaluation: written when the first model starts, completed with the models that have ended.

It contains everything else that a report needs, so that an interrupted run can be evaluated with its finished models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness._version import __version__
from harness.choices import FailedAs
from harness.core import hardware
from harness.core.outcomes import ModelOutcome, Status
from harness.errors import RunNotFoundError
from harness.plugins.discovery import library_versions
from harness.references.journals import journal_record
from harness.references.populations import Population
from harness.report.dependability import undependable
from harness.report.document import (
    ArchitectureRecord,
    BudgetRecord,
    DesignRecord,
    PluginRecord,
    PopulationRecord,
    PopulationsRecord,
    Report,
    RequestRecord,
    RunnerRecord,
    SeedsRecord,
    TaskRecord,
    run_status,
    utc_now,
)
from harness.report.times import TimesRecord, times_record
from harness.report.verdict import decide_verdict
from harness.report.writing import REPORT_NAME, load_report
from harness.runs.budget import Limit
from harness.runs.config import RunConfig
from harness.runs.fail_fast import failed_alike, stop_warning
from harness.runs.prepare import Prepared
from harness.runs.requests import originals_of
from harness.runs.store import BEGUN, RunStore
from harness.tasks.task import Task
from harness.tasks.twins import Twins
from reference_models.networks.recipe import derive_seed, to_json

NOT_ENDED = "The run was stopped before this model ended; `harness resume` continues it."


def begun_report(
    begun: Mapping[str, Any],
    found: Prepared,
    twins: Sequence[Twins],
    populations: Mapping[str, Population],
    limit: Limit,
    warnings: Sequence[str],
) -> Report:
    """Return the report of a run without ended models.

    Args:
        begun: content of ``run.json``.
        found: options, task, plugin and runner of the run.
        twins: examples of the task that occur in two splits.
        populations, limit: reference populations and limit of the run.
        warnings: warnings known so far.
    """
    config, task, data = found.config, found.task, found.data
    models, single = originals_of(config, task), config.design == "one-original"
    return Report(
        harness_version=__version__,
        run_id=begun["run_id"],
        created=begun["created"],
        status="failed",
        verdict=decide_verdict((), ()),
        task=TaskRecord(
            name=task.name,
            description=task.description,
            definition=dict(task.definition),
            data_digest=found.references.data_digest,
            split_sizes=data.sizes(),
            class_names=data.class_names,
            source=Path(task.source).name,  # a folder's path would tell who ran it
            twins=tuple(twins),
            chosen=task.chosen,
        ),
        architecture=ArchitectureRecord(
            name=task.architecture.name,
            options=dict(task.architecture.options),
            package=found.references.own.package,
            init=task.architecture.init,
        ),
        recipe=to_json(task.recipe),
        plugin=PluginRecord.from_facts(found.facts, config.options),
        runner=RunnerRecord.from_facts(found.runner.facts, config.isolation),
        hardware=hardware.describe(),
        libraries=library_versions(),
        seeds=SeedsRecord(run=config.seed, references=task.seed),
        design=DesignRecord(
            name=config.design, originals=1 if single else models, repeats=models if single else config.repeats
        ),
        budget=budget_record(limit),
        populations=populations_record(populations, (), config.failed_as),
        journal=journal_record(task, populations["original"].journals),
        models=(),
        evaluators=(),
        cache_keys=cache_keys(populations, limit),
        warnings=tuple(dict.fromkeys(warnings)),
        tags=config.tags,
        note=config.note,
        settings_tried=config.settings_tried,
        request=None if task.request is None else RequestRecord(number=task.request.number, total=task.request.total),
    )


def filled(
    report: Report,
    begun: Mapping[str, Any],
    config: RunConfig,
    limit: Limit,
    outcomes: Sequence[ModelOutcome],
    cores: int,
) -> Report:
    """Return the report with the models' outcomes and everything derived from them, without evaluators' records and verdict.

    Args:
        report: result of :func:`begun_report`.
        begun: content of ``run.json``.
        config, limit: options and limit of the run.
        outcomes: outcomes of all models that have ended, by index.
        cores: number of cores of a guest.
    """
    models = tuple(outcomes)
    times = times_record(models, config.workers, cores)
    budget = budget_record(limit, times, tuple(begun.get("remeasured_s", ())))
    seeds = tuple(derive_seed("unlearn", config.seed, model.index) for model in models)
    planned = report.design.originals * report.design.repeats
    stopped = stop_warning(len(models), planned, of_stream=report.request is not None)
    noticed = (*unchanged_warnings(outcomes), *busy_warnings(budget), *stopped)
    changes: dict[str, Any] = {
        "finished": utc_now(),
        "status": run_status(models),
        "seeds": report.seeds.model_copy(update={"models": seeds}),
        "budget": budget,
        "populations": with_counts(report.populations, outcomes, config.failed_as),
        "models": models,
        "times": times,
        "phases": {name: round(seconds, 3) for name, seconds in begun.get("phases", {}).items()},
        "warnings": tuple(dict.fromkeys([*report.warnings, *noticed])),
    }
    return Report.model_validate({**dict(report), **changes})


def all_outcomes(store: RunStore, config: RunConfig, task: Task) -> list[ModelOutcome]:
    """Return the outcomes of all models of a run, by index; a model that has not ended gets ``infra_error``.

    Of a run that stopped because its first models failed alike, only the models that have ended are returned.
    """
    ended = store.finished()
    if not config.keep_going and failed_alike(ended.values()):
        return [ended[index] for index in sorted(ended)]
    return [
        ended.get(index)
        or ModelOutcome(
            index, derive_seed("unlearn", config.seed, index), Status.INFRA_ERROR, NOT_ENDED, original=original
        )
        for index, original in enumerate(config.plan(originals_of(config, task)))
    ]


def report_so_far(store: RunStore, begun: Mapping[str, Any], config: RunConfig, task: Task) -> Report:
    """Return the run's report; if there is none, or models have ended since, return one without evaluation.

    Raises:
        RunNotFoundError: if there is neither a report nor a finished model.
        ReportInvalidError: if the report is damaged.
    """
    outcomes = all_outcomes(store, config, task)
    if (store.folder / REPORT_NAME).exists() or not store.has_begun:
        report = load_report(store.folder)
        ends = [(one.status, one.attempts) for one in report.models]
        if not store.has_begun or ends == [(one.status, one.attempts) for one in outcomes]:
            return report
    if not any(outcome.status.finished for outcome in outcomes):
        raise RunNotFoundError(
            f"No model of {store.folder} has finished yet. Continue the run with `harness resume {store.folder}`."
        )
    begun_with, limit = load_report(store.folder / BEGUN), Limit.from_json(begun["limit"])
    return filled(begun_with, begun, config, limit, outcomes, int(begun["identity"]["cores"]))


def budget_record(limit: Limit, times: TimesRecord | None = None, remeasured_s: Sequence[float] = ()) -> BudgetRecord:
    """Return the record of the limit: its value and origin, and whether it and the models' times are dependable."""
    because = undependable(limit, times, remeasured_s)
    return BudgetRecord(
        clock=limit.clock,
        dependable=not because,
        undependable_because=because,
        retrain_min_s=limit.retrain_min_s,
        remeasured_s=tuple(remeasured_s),
        at_rest=limit.at_rest,
        deadline_s=limit.deadline_s,
        limit_s=limit.limit_s,
        how=limit.how,
        fraction=limit.fraction,
        retrain_s=limit.retrain_s,
        retrain_median_s=limit.retrain_median_s,
        measured_on=limit.key or None,
        cached=limit.from_cache,
        cpu_pressure=limit.cpu_pressure,
    )


def unchanged_warnings(outcomes: Sequence[ModelOutcome]) -> list[str]:
    """Return a warning with the number of models returned unchanged; empty if there are none."""
    finished = [outcome for outcome in outcomes if outcome.status.finished]
    same = sum(outcome.unchanged is True for outcome in finished)
    if not same:
        return []
    return [f"The weights are the original's, bit for bit, in {same} of {len(finished)} models."]


def busy_warnings(budget: BudgetRecord) -> list[str]:
    """Return a warning about times that a busy machine made undependable; empty if there are none."""
    if not budget.undependable_because:
        return []
    advice = "Run again on the idle machine, or limit CPU seconds with --clock cpu."
    effect = "The limit may have been too generous or too strict, so that too many or too few models finished."
    return [f"Times are not dependable: {budget.undependable_because}. {effect} {advice}"]


def populations_record(
    populations: Mapping[str, Population], outcomes: Sequence[ModelOutcome], failed_as: FailedAs = "missing"
) -> PopulationsRecord:
    """Return the number of models in each population."""
    records = {
        role: PopulationRecord(
            size=len(one.seeds), cache_key=",".join(key[:16] for key in one.keys), origins=one.origins
        )
        for role, one in populations.items()
    }
    none = PopulationsRecord(**records, unlearned=PopulationRecord(size=0), failed_models=0)
    return with_counts(none, outcomes, failed_as)


def with_counts(record: PopulationsRecord, outcomes: Sequence[ModelOutcome], failed_as: FailedAs) -> PopulationsRecord:
    """Return a copy with the counts of these outcomes."""
    finished = sum(outcome.status.finished for outcome in outcomes)
    failed = len(outcomes) - finished
    substituted = failed if failed_as == "noop" and finished else 0
    return record.model_copy(
        update={
            "unlearned": PopulationRecord(size=finished + substituted),
            "failed_models": failed,
            "failed_as": failed_as,
            "substituted": substituted,
        }
    )


def cache_keys(populations: Mapping[str, Population], limit: Limit) -> dict[str, str]:
    """Return the keys of everything that came from a cache."""
    keys = {f"{role}.{n}": key for role, one in populations.items() for n, key in enumerate(one.keys)}
    return keys | ({"retraining_time": limit.key} if limit.key else {})
