"""What the evaluators say of every level, read as an ordinary run of an unlearner would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.validity.findings import is_p_value
from benchmarks.validity.levels import LEVELS
from benchmarks.validity.populations import Trained
from harness.core.progress import Progress
from harness.evaluation import SPLITS, Evidence, Metric, Timings
from harness.plugins.discovery import LoadedEvaluator
from harness.references.populations import ROLES
from harness.runs.evaluators import evaluate

Readings = Mapping[str, Metric]
"""Forgetting metrics by "evaluator.metric"."""

NOT_JUDGED = "efficiency"
"""The evaluator of seconds and memory: the study's models were trained in batches, and nothing was timed."""

OTHER_SPLITS = ("retain", "validation", "test")


def is_forgetting(metric: Metric) -> bool:
    """Return True if a metric measures forgetting: it has a direction, a control, a no-op, and a value.

    A metric named after one of the other splits shows what else has changed, not what was forgotten. The p-value of the test
    for any difference has no better side, but says whether a level is seen at all.
    """
    numbers = (metric.value, metric.control, metric.noop)
    named = not set(OTHER_SPLITS).isdisjoint(metric.name.split("_"))
    return (metric.direction != "none" or is_p_value(metric)) and None not in numbers and not named


def readings(
    trained: Trained, block: slice, evaluators: Sequence[LoadedEvaluator], progress: Progress
) -> dict[str, Readings]:
    """All forgetting metrics of every level, from the models of one block of each population.

    Raises:
        RuntimeError: an evaluator failed; a study without it would be silently smaller.
    """
    found: dict[str, Readings] = {}
    for level in LEVELS:
        records = evaluate(evaluators, evidence(trained, level.name, block), progress)
        errors = [f"{record.name}: {record.error}" for record in records if record.error]
        if errors:
            raise RuntimeError(f"level {level.name}: {'; '.join(errors)}")
        found[level.name] = {
            f"{record.name}.{metric.name}": metric
            for record in records
            for metric in record.metrics
            if is_forgetting(metric)
        }
    return found


def evidence(trained: Trained, level: str, block: slice) -> Evidence:
    """Return evidence with a level's models in place of the unlearned ones; model i is paired with original i."""
    data = trained.data
    chosen = {**trained.references, "unlearned": trained.levels[level]}
    logits = {name: {split: array[block] for split, array in splits.items()} for name, splits in chosen.items()}
    models = len(logits["unlearned"]["forget"])
    unknown: NDArray[np.float64] = np.full(models, np.nan)
    return Evidence(
        n_classes=data.n_classes,
        ids={name: data.split(name).ids for name in SPLITS},
        labels={name: data.split(name).labels for name in SPLITS},
        logits=logits,
        unlearned_from=np.arange(models, dtype=np.int64),
        timings=Timings(unknown, np.empty(0), None, unknown, unknown),
        class_names=data.class_names,
        true_labels={name: truth for name in SPLITS if (truth := data.split(name).true_labels) is not None},
        queries=_queries(trained, level, block),
    )


def _queries(trained: Trained, level: str, block: slice) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return the block's logits per query and population."""
    asked = {name: trained.queries.get(level if name == "unlearned" else name, {}) for name in (*ROLES, "unlearned")}
    return {query: {name: queries[query][block] for name, queries in asked.items()} for query in asked["unlearned"]}
