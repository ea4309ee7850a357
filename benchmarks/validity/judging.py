"""What the evaluators say of every level, read as an ordinary run of an unlearner would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.judging import evaluate, forgetting_metrics, unknown_times
from benchmarks.validity.levels import LEVELS
from benchmarks.validity.populations import Trained
from harness.evaluation import SPLITS, Evidence, Metric
from harness.plugins.discovery import LoadedEvaluator
from harness.references.populations import ROLES

Readings = Mapping[str, Metric]
"""Forgetting metrics by "evaluator.metric"."""


def readings(trained: Trained, block: slice, evaluators: Sequence[LoadedEvaluator]) -> dict[str, Readings]:
    """Return all forgetting metrics of every level, from the models of one block of each population."""
    return {
        level.name: forgetting_metrics(evaluate(evaluators, evidence(trained, level.name, block))) for level in LEVELS
    }


def evidence(trained: Trained, level: str, block: slice) -> Evidence:
    """Return evidence with a level's models in place of the unlearned ones; model i is paired with original i."""
    data = trained.data
    chosen = {**trained.references, "unlearned": trained.levels[level]}
    logits = {name: {split: array[block] for split, array in splits.items()} for name, splits in chosen.items()}
    models = len(logits["unlearned"]["forget"])
    return Evidence(
        n_classes=data.n_classes,
        ids={name: data.split(name).ids for name in SPLITS},
        labels={name: data.split(name).labels for name in SPLITS},
        logits=logits,
        unlearned_from=np.arange(models, dtype=np.int64),
        timings=unknown_times(models),
        class_names=data.class_names,
        true_labels={name: truth for name in SPLITS if (truth := data.split(name).true_labels) is not None},
        queries=_queries(trained, level, block),
    )


def _queries(trained: Trained, level: str, block: slice) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return the block's logits per query and population."""
    asked = {name: trained.queries.get(level if name == "unlearned" else name, {}) for name in (*ROLES, "unlearned")}
    return {query: {name: queries[query][block] for name, queries in asked.items()} for query in asked["unlearned"]}
