"""What the evaluators say of every level, read as an ordinary run of an unlearner would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.judging import evaluate, evidence_of, forgetting_metrics
from benchmarks.populations import World
from benchmarks.validity.levels import LEVELS
from benchmarks.validity.populations import Trained
from harness.evaluation import SPLITS, Evidence, Metric
from harness.plugins.discovery import LoadedEvaluator
from harness.references.identity import ROLES

Readings = Mapping[str, Metric]
"""Forgetting metrics by "evaluator.metric"."""


def readings(trained: Trained, block: slice, evaluators: Sequence[LoadedEvaluator]) -> dict[str, Readings]:
    """Return all forgetting metrics of every level, from the models of one block of each population."""
    return {
        level.name: forgetting_metrics(evaluate(evaluators, evidence(trained, level.name, block))) for level in LEVELS
    }


def evidence(trained: Trained, level: str, block: slice) -> Evidence:
    """Return evidence with a level's models in place of the unlearned ones; model i is paired with original i."""
    data, rows = trained.data, np.arange(trained.models)[block]
    unlearned = trained.levels[level].take(rows)
    world = World(
        n_classes=data.n_classes,
        labels={name: data.split(name).labels for name in SPLITS},
        ids={name: data.split(name).ids for name in SPLITS},
        **{role: trained.references[role].take(rows) for role in ROLES},
        fresh=unlearned,
        memory=np.empty(0),
        spread=np.empty(0),
    )
    true_labels: dict[str, NDArray[np.int64]] = {
        name: truth for name in SPLITS if (truth := data.split(name).true_labels) is not None
    }
    return replace(evidence_of(unlearned, world), class_names=data.class_names, true_labels=true_labels)
