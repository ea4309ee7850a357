"""Perfect unlearning for evaluators that look at more than single forgotten examples.

Answers follow the law of ``benchmarks.populations`` with four classes, and 100 forgotten, 200 retained and 300 unseen examples,
drawn once. Each run draws all models anew; unlearned, retrained and control models have the same law. To this is added what the
evaluators need: a class that retrained models never saw, a wrong label of each forgotten example, features with an orientation
and a noise of each model, and small changes of each model's confidence with Student's t of 2 degrees of freedom.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from benchmarks.judging import evidence_of
from benchmarks.populations import Kind, Law
from harness.evaluation import Evidence
from harness.probes.recovery import answered
from harness_evaluators import (
    class_forgetting,
    collateral,
    durability,
    interclass_confusion,
    joint,
    representation,
    strata,
)

CLASSES, WIDTH = 4, 12
KIND = Kind("perfect", {"forget": 100, "test": 300, "retain": 200}, classes=CLASSES)
POPULATIONS = ("original", "retrained", "control", "unlearned")
FORGOTTEN, SIMILAR = 0, 1
NEVER, ALIKE = 6.0, 1.5
"""By how much retrained models lower the logit of a class that they never saw, and raise the similar one's on its inputs."""

CHANGES = ("retain", "retain_5", "bits_4", "noise_20")
GIVEN = 5
"""Forgotten examples that the change ``retain_5`` trains on."""

Single = NDArray[np.float32]


def answers(models: int, seed: int) -> Evidence:
    """Return a run of perfect unlearning with answers alone."""
    world = _law().world(models, np.random.default_rng([seed, models]))
    return evidence_of(world.fresh, world, seed=seed)


def classes(models: int, seed: int) -> Evidence:
    """Return a run that forgets a class, which all but the originals never choose and take for a similar one."""
    evidence = answers(models, seed)
    rows = {
        split: np.flatnonzero((labels == FORGOTTEN) == (split == "forget"))
        if split != "test"
        else np.arange(len(labels))
        for split, labels in evidence.labels.items()
    }
    labels = {split: one[rows[split]] for split, one in evidence.labels.items()}

    def of(population: str, split: str) -> Single:
        logits = np.array(evidence.logits[population][split])[:, rows[split]]
        if population != "original":
            logits[..., FORGOTTEN] -= NEVER
            logits[:, labels[split] == FORGOTTEN, SIMILAR] += ALIKE
        return logits

    return replace(
        evidence,
        labels=labels,
        ids={split: one[rows[split]] for split, one in evidence.ids.items()},
        logits={population: {split: of(population, split) for split in labels} for population in POPULATIONS},
    )


def wrong_labels(models: int, seed: int) -> Evidence:
    """Return a run that forgets wrong labels; the true class of each forgotten example is the next one."""
    evidence = answers(models, seed)
    return replace(evidence, true_labels={"forget": (evidence.labels["forget"] + 1) % CLASSES})


def features(models: int, seed: int) -> Evidence:
    """Return a run with features; those of originals hold the classes of forgotten examples better."""
    evidence, rng = answers(models, seed), np.random.default_rng([seed, models, 1])
    fixed = np.random.default_rng(1)
    means = fixed.standard_normal((CLASSES, WIDTH))
    common = {
        split: means[labels] + fixed.standard_normal((len(labels), WIDTH)) for split, labels in evidence.labels.items()
    }

    def of(population: str) -> dict[str, Single]:
        turns = np.linalg.qr(rng.standard_normal((models, WIDTH, WIDTH)))[0]
        found = {}
        for split in ("forget", "retain", "test"):
            labels = evidence.labels[split]
            one = common[split] + 0.7 * rng.standard_normal((models, len(labels), WIDTH))
            if split == "forget" and population == "original":
                one += means[labels]
            found[split] = np.matmul(one, turns).astype(np.float32)
        return found

    return replace(evidence, probes={"features": {population: of(population) for population in POPULATIONS}})


def changed_weights(models: int, seed: int) -> Evidence:
    """Return a run with what models answer after small changes, to which each model reacts in its own way."""
    evidence, rng = answers(models, seed), np.random.default_rng([seed, models, 2])

    def moved(
        population: str, split: str, amount: NDArray[np.float64]
    ) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
        labels = evidence.labels[split]
        logits = np.array(evidence.logits[population][split])
        noise = 0.1 * rng.standard_normal(logits.shape[:2])
        logits[:, np.arange(len(labels)), labels] += (amount[:, None] + noise).astype(logits.dtype)
        return answered(logits, labels)

    def of(population: str) -> dict[str, NDArray[np.generic]]:
        given = np.zeros((models, len(evidence.labels["forget"])), dtype=np.uint8)
        given[:, :GIVEN] = 1
        found: dict[str, NDArray[np.generic]] = {"given": given}
        for name in CHANGES:
            found[f"{name}/forget"], found[f"{name}/hits"] = moved(
                population, "forget", 0.3 * rng.standard_t(2, models)
            )
            found[f"{name}/test"], _ = moved(population, "test", np.zeros(models))
        return found

    return replace(evidence, probes={"recovery": {population: of(population) for population in POPULATIONS}})


EVALUATORS: Mapping[ModuleType, Callable[[int, int], Evidence]] = {
    strata: answers,
    collateral: answers,
    joint: answers,
    class_forgetting: classes,
    interclass_confusion: wrong_labels,
    representation: features,
    durability: changed_weights,
}
"""Evaluators, and who makes their evidence from a number of models and a seed."""


@functools.lru_cache
def _law() -> Law:
    return Law.draw(KIND, np.random.default_rng(0))
