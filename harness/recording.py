"""The parts of a report that are made from what a run knew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness import hardware
from harness.budget import Limit
from harness.config import RunConfig
from harness.outcomes import ModelOutcome
from harness.pressure import busy
from harness.references import Population
from harness.report.model import (
    BudgetRecord,
    DesignRecord,
    EvaluatorRecord,
    HardwareRecord,
    PopulationRecord,
    PopulationsRecord,
    TaskRecord,
)
from harness.report.times import TimesRecord
from harness.tasks.model import Task, TaskData

LEFT_OUT = "Evaluator left out: "


def task_record(task: Task, data: TaskData) -> TaskRecord:
    """The task, with the digest and the sizes of its data."""
    return TaskRecord(
        name=task.name,
        description=task.description,
        definition=dict(task.definition),
        data_digest=data.digest(),
        split_sizes={name: len(data.split(name)) for name in ("retain", "forget", "validation", "test")},
        class_names=data.class_names,
        source=task.source,
    )


def design_record(config: RunConfig, models: int) -> DesignRecord:
    """Which originals were unlearned and how often, of ``models`` a population."""
    if config.design == "one-original":
        return DesignRecord(name="one-original", originals=1, repeats=models)
    return DesignRecord(name="per-original", originals=models, repeats=config.repeats)


def evaluator_warnings(evaluators: Sequence[EvaluatorRecord]) -> list[str]:
    """What the evaluators have to say, each sentence with the name of its evaluator."""
    failed = [f"Evaluator {one.name} failed; its error is in the report." for one in evaluators if one.error]
    return failed + [named(one.name, text) for one in evaluators for text in one.warnings]


def left_out(reason: str) -> str:
    """The warning on an evaluator that is installed but cannot be used."""
    return f"{LEFT_OUT}{reason}"


def named(evaluator: str, warning: str) -> str:
    """A warning that says whose it is."""
    return warning if warning.startswith(f"{evaluator}:") else f"{evaluator}: {warning}"


def hardware_record() -> HardwareRecord:
    """This machine."""
    host = hardware.describe()
    return HardwareRecord(
        cpu_model=host.cpu, cores=host.cores, memory_mib=host.memory_mib, gpus=host.gpus, platform=host.platform
    )


def budget_record(limit: Limit) -> BudgetRecord:
    """The limit and where it came from."""
    return BudgetRecord(
        limit_s=limit.limit_s,
        how="explicit" if limit.how == "explicit" else "fraction",
        fraction=limit.fraction,
        retrain_s=limit.retrain_s,
        retrain_median_s=limit.retrain_median_s,
        measured_on=limit.key or None,
        cached=limit.from_cache,
        cpu_pressure=limit.cpu_pressure,
    )


def pressure_warnings(limit: Limit, times: TimesRecord) -> list[str]:
    """Which times are not dependable because the machine was busy."""
    warnings = []
    if busy(limit.cpu_pressure):
        warnings.append(
            f"The machine was busy while retraining was measured: for {limit.cpu_pressure:.0%} of that time something waited "
            "for a core. The limit may be too generous; a run on the machine at rest measures it again."
        )
    if busy(times.cpu_pressure):
        warnings.append(
            f"For {times.cpu_pressure:.0%} of the models' time something waited for a core: other programs, or more threads "
            "of the plugin than it has cores. Times are not dependable, and a model may have run into its limit for it."
        )
    return warnings


def populations_record(populations: Mapping[str, Population], outcomes: Sequence[ModelOutcome]) -> PopulationsRecord:
    """On how many models the numbers rest."""
    finished = sum(outcome.status.finished for outcome in outcomes)
    records = {
        role: PopulationRecord(size=len(one.seeds), cache_key=",".join(key[:16] for key in one.keys))
        for role, one in populations.items()
    }
    return PopulationsRecord(
        **records, unlearned=PopulationRecord(size=finished), failed_models=len(outcomes) - finished
    )


def cache_keys(populations: Mapping[str, Population], limit: Limit) -> dict[str, str]:
    """Keys of all that came from a cache."""
    keys = {f"{role}.{n}": key for role, one in populations.items() for n, key in enumerate(one.keys)}
    return keys | ({"retraining_time": limit.key} if limit.key else {})
