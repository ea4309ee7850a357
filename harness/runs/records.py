"""Construction of a report's records from a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.choices import FailedAs
from harness.core.outcomes import ModelOutcome
from harness.references.populations import Population
from harness.report.dependability import undependable
from harness.report.document import (
    BudgetRecord,
    EvaluatorRecord,
    PopulationRecord,
    PopulationsRecord,
)
from harness.report.times import TimesRecord
from harness.runs.budget import Limit

LEFT_OUT = "Evaluator left out: "


def evaluator_warnings(evaluators: Sequence[EvaluatorRecord]) -> list[str]:
    """Return the evaluators' warnings, each prefixed with the evaluator's name."""
    failed = [f"Evaluator {one.name} failed; its error is in the report." for one in evaluators if one.error]
    return failed + [named(one.name, text) for one in evaluators for text in one.warnings]


def left_out(reason: str) -> str:
    """Return the warning about an installed evaluator that cannot be used."""
    return f"{LEFT_OUT}{reason}"


def named(evaluator: str, warning: str) -> str:
    """Return a warning prefixed with its evaluator's name."""
    return warning if warning.startswith(f"{evaluator}:") else f"{evaluator}: {warning}"


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
        role: PopulationRecord(size=len(one.seeds), cache_key=",".join(key[:16] for key in one.keys))
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
