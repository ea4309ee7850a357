"""Scoring of a run's models and assembly of its report, for new and re-evaluated runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.choices import FailedAs
from harness.core.outcomes import ModelOutcome
from harness.core.progress import Progress
from harness.evaluation import Evidence
from harness.plugins.discovery import LoadedEvaluator
from harness.references.populations import Population
from harness.report.document import EvaluatorRecord, ExamplesRecord, Report
from harness.report.verdict import decide_verdict
from harness.runs.budget import Limit
from harness.runs.config import RunConfig
from harness.runs.evaluators import evaluate
from harness.runs.records import evaluator_warnings
from harness.runs.scoring import make_evidence
from harness.runs.store import RunStore
from harness.runs.substitution import with_originals
from harness.runs.worst_examples import examples_record
from harness.tasks.task import Margins, Task, TaskData


class Judgement:
    """The evaluators' results for a run's models.

    Args:
        config: the run's options.
        task, data, populations, limit: inputs of the unlearning.
        outcomes: outcomes of all models, by index.
        store: contains the finished models' logits.
        failed_as: how failed models count.
        evaluators: evaluators to run; none runs if no model finished.
        progress: receives progress messages.

    Attributes:
        records: result of each evaluator, in their order.
    """

    def __init__(
        self,
        config: RunConfig,
        task: Task,
        data: TaskData,
        populations: Mapping[str, Population],
        limit: Limit,
        outcomes: Sequence[ModelOutcome],
        store: RunStore,
        failed_as: FailedAs,
        evaluators: Sequence[LoadedEvaluator],
        progress: Progress,
    ) -> None:
        self._task, self._data = task, data
        unlearned = {one.index: store.logits(one.index) for one in outcomes if one.status.finished}
        evidence = make_evidence(data, populations, outcomes, unlearned, limit, task.seed, config.design)
        if failed_as == "noop" and unlearned:
            evidence = with_originals(evidence, outcomes)
        self._evidence: Evidence = evidence
        self.records: tuple[EvaluatorRecord, ...] = evaluate(evaluators, evidence, progress) if unlearned else ()

    def examples(self, evaluators: Sequence[EvaluatorRecord]) -> ExamplesRecord | None:
        """Return the forgotten examples to show beside these evaluators' numbers."""
        return examples_record(self._task, self._data, self._evidence, evaluators)


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
