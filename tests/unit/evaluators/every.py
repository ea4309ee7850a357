"""All bundled evaluators, and evidence for which each of them computes values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, probed
from harness_evaluators import (
    accuracy,
    before_after,
    class_forgetting,
    collateral,
    difference,
    divergence,
    durability,
    efficiency,
    forgetting,
    forgetting_quality,
    interclass_confusion,
    joint,
    klom,
    ks,
    lira,
    membership,
    representation,
    strata,
    variance,
)
from tests.unit.evaluators.changed_weights import with_differences
from tests.unit.evaluators.conftest import gaussian_evidence
from tests.unit.evaluators.recovered import with_recovery

EVERY = (
    accuracy,
    before_after,
    class_forgetting,
    collateral,
    difference,
    divergence,
    durability,
    efficiency,
    forgetting,
    forgetting_quality,
    interclass_confusion,
    joint,
    klom,
    ks,
    lira,
    membership,
    representation,
    strata,
    variance,
)
ON_LOGITS = tuple(module for module in EVERY if module is not efficiency)
POPULATIONS = ("original", "retrained", "control", "unlearned")


def name_of(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def complete(evidence: Evidence, seed: int = 0) -> Evidence:
    """Add times, memory, and true labels that differ from the labels of about half of the forget set."""
    rng = np.random.default_rng(seed)
    n_unlearned = len(evidence.unlearned_from)
    times = replace(
        evidence.timings,
        unlearn_s=rng.exponential(1, n_unlearned),
        retrain_s=rng.exponential(5, 6),
        limit_s=20.0,
        peak_rss_mib=rng.exponential(300, n_unlearned),
        peak_gpu_mib=np.full(n_unlearned, np.nan),
    )
    labels = evidence.labels["forget"]
    true = np.where(np.arange(len(labels)) % 2 == 0, labels, (labels + 1) % evidence.n_classes)
    return replace(evidence, timings=times, true_labels={"forget": true})


def usual(shift: float = 0.4, n_models: int | Mapping[str, int] = 16, n_examples: int = 30, seed: int = 0) -> Evidence:
    """Return complete evidence of Gaussian phi, see :func:`gaussian_evidence`."""
    return complete(gaussian_evidence(shift, 1.5, n_models, n_examples, seed=seed), seed)


def with_features(evidence: Evidence, width: int = 6) -> Evidence:
    """Add features that hold the class of each example, in every population."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(evidence.n_classes, width))

    def features(split: str, models: int) -> NDArray[np.float32]:
        labels = evidence.labels[split][probed(len(evidence.labels[split]), 512)]
        return (directions[labels] + rng.normal(size=(models, len(labels), width))).astype(np.float32)

    arrays = {
        name: {split: features(split, len(by["forget"])) for split in ("forget", "retain", "test")}
        for name, by in evidence.logits.items()
    }
    return replace(evidence, probes={"features": arrays})


def of_whole_classes(evidence: Evidence) -> Evidence:
    """Return the evidence with the forget set in classes of its own: the last two."""
    last = evidence.n_classes - 1
    labels = {split: classes % max(1, last - 1) for split, classes in evidence.labels.items()}
    labels["forget"] = last - evidence.labels["forget"] % 2
    labels["test"] = evidence.labels["test"]
    return replace(evidence, labels=labels, true_labels={})


def suited(module: ModuleType, evidence: Evidence) -> Evidence:
    """Return evidence on which the evaluator computes values."""
    if module is durability:
        return with_recovery(evidence, {"retain": {"unlearned": 0.5}})
    if module is difference:
        return with_differences(evidence, {"unlearned": 0.5})
    if module is representation:
        return with_features(evidence)
    return of_whole_classes(evidence) if module is class_forgetting else evidence


def with_population(evidence: Evidence, name: str, source: str) -> Evidence:
    """Replace the models of ``name`` by those of ``source``."""
    return replace(evidence, logits={**evidence.logits, name: evidence.logits[source]})


def swapped(evidence: Evidence) -> Evidence:
    """Swap the unlearned and the retrained models."""
    logits = {**evidence.logits}
    logits["unlearned"], logits["retrained"] = evidence.logits["retrained"], evidence.logits["unlearned"]
    times = replace(
        evidence.timings, unlearn_s=evidence.timings.retrain_s, retrain_s=evidence.timings.unlearn_s, limit_s=None
    )
    return replace(evidence, logits=logits, timings=times)
