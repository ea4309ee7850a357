"""What single evaluators are for: a submission that the attack on the forget set's outputs does not see, and they do.

Each case is judged beside an honest twin, on synthetic models of the law of :mod:`benchmarks.populations`; ``lira.auc`` stands
for metrics of single forgotten examples. Three cases need more than answers: features and slopes are drawn as well, and a
forgotten class is one that retrained models never choose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks import judging
from benchmarks.answers import Answers, on_phi
from benchmarks.deceptions.catalogue import find
from benchmarks.deceptions.study import synthetic
from benchmarks.pages import Cell, Table
from benchmarks.populations import World
from harness.evaluation import Evidence

MODELS = 32
COMMON = ("lira", "auc")
POPULATIONS = ("original", "retrained", "control", "unlearned")
WIDTH = 12
POINTS = 11
"""Points of the line between a model and its original, as the probe has them."""
FORGOTTEN, SIMILAR = 0, 1
NEVER, ALIKE = 6.0, 3.0
"""By how much retrained models lower the logit of a class that they never saw, and raise the similar one's on its inputs."""

Make = Callable[[World, np.random.Generator], Evidence]


@dataclass(frozen=True)
class Case:
    """A deception, its honest twin, and the metric that tells them apart.

    Attributes:
        evaluator, metric: that see it.
        text: what the deception does, one sentence.
        deceptive, honest: make the evidence of a run with either.
    """

    evaluator: str
    metric: str
    text: str
    deceptive: Make
    honest: Make


@dataclass(frozen=True)
class Seen:
    """What is said of one of the two: values of the case's metric and of the common one, each with its control's."""

    own: float
    own_control: float | None
    common: float
    common_control: float | None


def seen(case: Case, *, honest: bool, models: int = MODELS, draw: int = 0) -> Seen:
    """Return what the evaluators say of a case or of its twin.

    Raises:
        RuntimeError: an evaluator failed.
    """
    world = synthetic(models, draw)
    rng = np.random.default_rng([models, draw, honest, *case.evaluator.encode()])
    evidence = (case.honest if honest else case.deceptive)(world, rng)
    chosen = judging.evaluators(list(dict.fromkeys((case.evaluator, COMMON[0]))))
    found = {
        (record.name, metric.name): metric for record in judging.evaluate(chosen, evidence) for metric in record.metrics
    }
    own, common = found[case.evaluator, case.metric], found[COMMON]
    if own.value is None or common.value is None:
        raise RuntimeError(f"{case.evaluator}.{case.metric} has no value: {own.note or common.note}")
    return Seen(own.value, own.control, common.value, common.control)


def table(models: int = MODELS) -> Table:
    """Return all cases, each with its twin."""
    rows: list[list[Cell]] = []
    for case in CASES:
        for honest in (False, True):
            one = seen(case, honest=honest, models=models)
            name = f"{case.evaluator}.{case.metric}"
            text = "its honest twin" if honest else case.text
            values = (one.own, one.own_control, one.common, one.common_control)
            rows.append([name, text, *(value if value is None else round(value, 3) for value in values)])
    return Table("blind-spots", ("metric", "submission", "value", "control", "lira.auc", "its control"), rows)


def made_with() -> str:
    """Return the evaluators of the table with their versions."""
    chosen = judging.evaluators(list(dict.fromkeys((*(case.evaluator for case in CASES), COMMON[0]))))
    return ", ".join(f"{name} {version}" for name, version in judging.versions(chosen))


def _answers(answers: Answers, world: World) -> Evidence:
    return judging.evidence_of(answers, world)


def _retrained(world: World, _rng: np.random.Generator) -> Evidence:
    return _answers(world.fresh, world)


def _most_memorised(world: World, rng: np.random.Generator) -> Evidence:
    return _answers(find("most-remembered-left").make(world, rng).answers, world)


def _exposed(world: World, _rng: np.random.Generator) -> Evidence:
    change = on_phi(lambda values: values + 0.7 * values.std(axis=0))
    splits = {**world.fresh.splits, "retain": change(world.fresh.splits["retain"], world.labels["retain"])}
    return _answers(Answers(splits, world.fresh.queries), world)


def _common_sign(world: World, rng: np.random.Generator) -> Evidence:
    """Move each model along one pattern over examples, up or down; single examples keep mean and spread."""
    pattern = rng.choice([-1.0, 1.0], len(world.memory))
    signs = rng.permutation(np.arange(world.fresh.models) % 2 * 2.0 - 1)[:, None]

    def moved(values: NDArray[np.float64]) -> NDArray[np.float64]:
        centre = values.mean(axis=0)
        return np.asarray(centre + np.sqrt(0.75) * (values - centre) + 0.5 * world.spread * signs * pattern)

    return _answers(world.fresh.on_forget(on_phi(moved), world.labels), world)


def _features(memory: Mapping[str, float], world: World, rng: np.random.Generator) -> Evidence:
    """Return a run of models that answer as retrained ones, with features that hold classes, better where they remember."""
    evidence = _answers(world.fresh, world)
    means = rng.standard_normal((world.n_classes, WIDTH))
    common = {
        split: means[labels] + rng.standard_normal((len(labels), WIDTH)) for split, labels in evidence.labels.items()
    }

    def of(population: str) -> dict[str, NDArray[np.float32]]:
        turns = np.linalg.qr(rng.standard_normal((world.fresh.models, WIDTH, WIDTH)))[0]
        found = {}
        for split in ("forget", "retain", "test"):
            labels = evidence.labels[split]
            one = common[split] + 0.7 * rng.standard_normal((world.fresh.models, len(labels), WIDTH))
            if split == "forget":
                one = one + memory.get(population, 0.0) * means[labels]
            found[split] = np.matmul(one, turns).astype(np.float32)
        return found

    return replace(evidence, probes={"features": {population: of(population) for population in POPULATIONS}})


def _slopes(slope: float, world: World, rng: np.random.Generator) -> Evidence:
    """Return a run of models that answer as retrained ones, whose change points where forgotten examples' losses rise."""
    evidence = _answers(world.fresh, world)
    models = world.fresh.models

    def of(population: str) -> dict[str, NDArray[np.float32]]:
        gain = {"unlearned": slope}.get(population, 0.0)
        distance = np.full(
            models, 0.0 if population == "original" else 0.2 if slope and population == "unlearned" else 1.0
        )
        slopes = {
            f"slope@{split}": gain * (split == "forget") + rng.standard_normal((models, len(evidence.labels[split])))
            for split in ("forget", "retain", "test")
        }
        # losses on the line between the two models, equal in law for all
        lines = {f"line_{split}": np.abs(rng.standard_normal((models, POINTS))) for split in ("retain", "test")}
        arrays = {"distance": distance, **lines, **slopes}
        return {name: array.astype(np.float32) for name, array in arrays.items()}

    return replace(evidence, probes={"difference": {population: of(population) for population in POPULATIONS}})


def _of_class(honest: bool, world: World, _rng: np.random.Generator) -> Evidence:
    """Return a run that forgets a class: retrained models never choose it, and take its inputs for a similar one.

    The deception answers inputs of the class as retrained models do, and all others as the originals do.
    """
    evidence = _answers(world.fresh, world)
    rows = {
        split: np.flatnonzero((labels == FORGOTTEN) == (split == "forget"))
        for split, labels in evidence.labels.items()
        if split in ("forget", "retain")
    }
    labels = {split: one[rows[split]] if split in rows else one for split, one in evidence.labels.items()}
    ids = {split: one[rows[split]] if split in rows else one for split, one in evidence.ids.items()}

    def of(population: str, split: str) -> NDArray[np.float32]:
        logits = np.array(evidence.logits[population][split])[:, rows.get(split, slice(None))]
        if population == "original" or (population == "unlearned" and not honest and split != "forget"):
            return logits
        logits[..., FORGOTTEN] -= NEVER
        logits[:, labels[split] == FORGOTTEN, SIMILAR] += ALIKE
        return logits

    logits = {population: {split: of(population, split) for split in labels} for population in POPULATIONS}
    return replace(evidence, labels=labels, ids=ids, logits=logits, queries={})


def _deceiving_class(world: World, rng: np.random.Generator) -> Evidence:
    return _of_class(False, world, rng)


def _honest_class(world: World, rng: np.random.Generator) -> Evidence:
    return _of_class(True, world, rng)


CASES = (
    Case(
        "strata",
        "auc_most_memorised",
        "Leave the 5 % of examples that originals remember best.",
        _most_memorised,
        _retrained,
    ),
    Case("collateral", "auc", "Forget, and expose retained examples by 0.7 standard deviations.", _exposed, _retrained),
    Case(
        "joint",
        "p",
        "Move each model up or down along one pattern over examples; single examples keep mean and spread.",
        _common_sign,
        _retrained,
    ),
    Case(
        "class_forgetting",
        "outsider_auc",
        "Silence a class on its own inputs alone; retrained models never choose it anywhere.",
        _deceiving_class,
        _honest_class,
    ),
    Case(
        "representation",
        "feature_memory",
        "Train a last layer anew on the original's features.",
        lambda world, rng: _features({"original": 1.0, "unlearned": 1.0}, world, rng),
        lambda world, rng: _features({"original": 1.0}, world, rng),
    ),
    Case(
        "difference",
        "removed_auc",
        "Answer as retrained models do, after a small step that raises the loss of forgotten examples.",
        lambda world, rng: _slopes(0.8, world, rng),
        lambda world, rng: _slopes(0.0, world, rng),
    ),
)
"""In the order of the table; ``durability`` has the family *weights* in the catalogue."""
