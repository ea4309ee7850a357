"""Evidence of models that no run unlearned, and what the evaluators say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.answers import Answers, Rows
from benchmarks.populations import World
from harness.core.progress import SilentProgress
from harness.evaluation import Evidence, Metric, Timings
from harness.plugins.discovery import LoadedEvaluator, choose_evaluators
from harness.report.results import EvaluatorRecord
from harness.runs import evaluators as running

NOT_JUDGED = "efficiency"
"""The evaluator of seconds and memory: nothing was timed."""

OTHER_SPLITS = ("retain", "validation", "test")


def evaluators(names: Sequence[str] = ()) -> list[LoadedEvaluator]:
    """Return the chosen evaluators; all but that of times if no name is given.

    Raises:
        RuntimeError: one is not usable.
    """
    found, broken = choose_evaluators(names)
    if broken:
        raise RuntimeError("\n".join(one.reason for one in broken))
    return [one for one in found if names or one.info.name != NOT_JUDGED]


def versions(chosen: Sequence[LoadedEvaluator]) -> list[tuple[str, str]]:
    """Return the evaluators' names and versions."""
    return [(one.info.name, one.info.version) for one in chosen]


def evidence_of(unlearned: Answers, world: World, rows: Rows | None = None, seed: int = 0) -> Evidence:
    """Return the evidence that a run with these models would have.

    Args:
        unlearned: the unlearned models.
        world: all other models.
        rows: which original each unlearned model came from; None: all, in order.
        seed: of the evaluation.
    """
    populations = {
        "original": world.original,
        "retrained": world.retrained,
        "control": world.control,
        "unlearned": unlearned,
    }
    logits = {name: dict(one.splits) for name, one in populations.items()}
    queries = {
        query: {name: one.queries[query] for name, one in populations.items()} for query in world.original.queries
    }
    unknown: NDArray[np.float64] = np.full(unlearned.models, np.nan)
    for arrays in (*logits.values(), *queries.values()):
        for array in arrays.values():
            array.flags.writeable = False
    return Evidence(
        n_classes=world.n_classes,
        ids=world.ids,
        labels=world.labels,
        logits=logits,
        unlearned_from=np.arange(unlearned.models, dtype=np.int64) if rows is None else rows,
        timings=Timings(unknown, np.empty(0), None, unknown, unknown),
        seed=seed,
        class_names=tuple(str(one) for one in range(world.n_classes)),
        queries=queries,
    )


def merged(world: World) -> World:
    """Return the world with retrained and control models as one population of retrained ones.

    The verdict uses both as references in any case. This leaves out the control's own row, which the verdict does not read, and
    a quarter of the time.
    """
    references = world.retrained.joined(world.control)
    return replace(world, retrained=references, control=references.take(np.empty(0, dtype=np.int64)))


def evaluate(chosen: Sequence[LoadedEvaluator], evidence: Evidence) -> tuple[EvaluatorRecord, ...]:
    """Return the evaluators' records, as a run would have them.

    Raises:
        RuntimeError: an evaluator failed; a study without it would be silently smaller.
    """
    records = running.evaluate(chosen, evidence, SilentProgress())
    errors = [f"{record.name}: {record.error}" for record in records if record.error]
    if errors:
        raise RuntimeError("; ".join(errors))
    return records


def is_p_value(metric: Metric) -> bool:
    """Return True if a metric is the p-value of the test for any difference: it has no better side, but tells by itself."""
    return metric.name == "difference_p"


def forgetting_metrics(records: Sequence[EvaluatorRecord]) -> dict[str, Metric]:
    """Return the metrics of forgetting by "evaluator.metric"."""
    return {
        f"{record.name}.{metric.name}": metric
        for record in records
        for metric in record.metrics
        if is_forgetting(metric)
    }


def is_forgetting(metric: Metric) -> bool:
    """Return True if a metric measures forgetting: it has a direction, a control, a no-op, and a value.

    A metric named after one of the other splits shows what else has changed, not what was forgotten. The p-value of the test
    for any difference has no better side, but says whether a level is seen at all.
    """
    numbers = (metric.value, metric.control, metric.noop)
    named = not set(OTHER_SPLITS).isdisjoint(metric.name.split("_"))
    return (metric.direction != "none" or is_p_value(metric)) and None not in numbers and not named
