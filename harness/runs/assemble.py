"""Scoring of a run's models and assembly of its report, for new and re-evaluated runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.choices import Design, FailedAs
from harness.core.outcomes import ModelOutcome
from harness.evaluation import Evidence
from harness.references.populations import Population
from harness.report.document import EvaluatorRecord, Report
from harness.report.verdict import decide_verdict
from harness.runs.budget import Limit
from harness.runs.probing import Probed
from harness.runs.scoring import Stored, forget_rows, make_evidence
from harness.runs.store import RunStore
from harness.tasks.deletions import data_of, rows_of
from harness.tasks.task import Margins, Task, TaskData

LEFT_OUT = "Evaluator left out: "


def run_evidence(
    task: Task,
    data: TaskData,
    populations: Mapping[str, Population],
    limit: Limit,
    outcomes: Sequence[ModelOutcome],
    store: RunStore,
    design: Design,
    failed_as: FailedAs,
    probed: Probed | None = None,
) -> Evidence:
    """Return the evidence of a run's models; without a row of unlearned models if none finished.

    Args:
        task, data, populations, limit: inputs of the unlearning; of a request of a stream, the data of the reference models
            and the populations of :func:`harness.runs.requests.populations_of`.
        outcomes: outcomes of all models, by index.
        store: contains the finished models' logits.
        design: which originals were unlearned.
        failed_as: how failed models count.
        probed: what probes computed; None without probes.
    """
    rows = rows_of(data, task.request)
    unlearned = Stored(
        [one.index for one in outcomes if one.status.finished],
        store.logits if isinstance(rows, slice) else lambda index: forget_rows(store.logits(index), rows),
    )
    if not isinstance(rows, slice):
        data = data_of(data, task.request)
    evidence = make_evidence(data, populations, outcomes, unlearned, limit, task.seed, design, failed_as)
    return evidence if probed is None else replace(evidence, probes=probed.arrays, unprobed=probed.reasons)


def assemble(
    report: Report,
    evaluators: Sequence[EvaluatorRecord],
    margins: Margins,
    failed_as: FailedAs,
    warnings: Sequence[str],
    changes: Mapping[str, Any],
) -> Report:
    """Return the report with its evaluators' records, verdict and warnings.

    Args:
        report: the report with its models.
        evaluators: all evaluators' records.
        margins: the task's margins, for the verdict.
        failed_as: how failed models count.
        warnings: warnings in addition to the evaluators'.
        changes: further fields of the report.
    """
    undependable = report.budget.undependable_because
    verdict = decide_verdict(evaluators, report.models, margins, undependable, substituted=failed_as == "noop")
    judged = {
        "evaluators": tuple(evaluators),
        "verdict": verdict,
        "warnings": tuple(dict.fromkeys([*warnings, *evaluator_warnings(evaluators)])),
    }
    return Report.model_validate({**dict(report), **judged, **changes})


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
