"""Worlds in which submissions are judged: the populations of a run, and fresh retrained models to build submissions from.

Two sources exist. The synthetic one follows the law that was fitted to the bundled task ``faces``,

    phi_ri = mu_i + s_i (sqrt(.01) a_r + sqrt(.99) e_ri),  mu ~ N(0, 2^2),  s = exp(.22 z),

where a_r is a factor of model r and all letters on the right are independent standard normal; originals lie higher by
s_i |N(1.4, .8^2)| on the forget set. The other one holds the models of a task as the harness trains and caches them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.deceptions.answers import Answers, Labels, Logits, Rows, Values, with_phi
from benchmarks.validity.levels import RETRAIN, level_data, level_task
from harness.core.progress import Progress
from harness.evaluation import SPLITS, phi
from harness.plugins.discovery import find_task
from harness.references.populations import ROLES, Population, References

CLASSES = 10
SIZES = {"retain": 300, "forget": 200, "validation": 120, "test": 240}
CORRELATION = 0.01
SPREAD = 0.22
SHIFT, SHIFT_SPREAD = 1.4, 0.8
QUERIES = {"bfloat16": 0.9999, "flip": 0.8, "noise": 0.9}
"""Correlation of each query's residual with that of the exact picture."""


@dataclass(frozen=True)
class World:
    """One run's models but for the unlearned ones, and what submissions are made from.

    Attributes:
        n_classes: C.
        labels: per split, shape (n,).
        ids: per split, shape (n,).
        original: models before unlearning.
        retrained: models without the forget set.
        control: likewise, of other seeds.
        fresh: likewise, of other seeds again; no run knows them.
        memory: how much higher originals lie on each forgotten example, in standard deviations, shape (n,).
        spread: those standard deviations, of retrained models' phi, shape (n,).
    """

    n_classes: int
    labels: Mapping[str, Labels]
    ids: Mapping[str, NDArray[np.str_]]
    original: Answers
    retrained: Answers
    control: Answers
    fresh: Answers
    memory: Values
    spread: Values

    def cut(self, models: int, rng: np.random.Generator) -> World:
        """Return a world of ``models`` models a population, drawn at random where there are more."""
        return replace(
            self,
            original=_draw(self.original, models, rng),
            retrained=_draw(self.retrained, models, rng),
            control=_draw(self.control, models, rng),
            fresh=_draw(self.fresh, models, rng),
        )

    def share(self, examples: NDArray[np.bool_] | Values) -> float:
        """Return the share of the memory, by its square, that is left where so much of each example's is left."""
        weights = self.memory**2
        return float((weights * examples).sum() / weights.sum())


def _draw(answers: Answers, models: int, rng: np.random.Generator) -> Answers:
    if models > answers.models:
        raise ValueError(f"{models} models are wanted, but the world has {answers.models}")
    rows: Rows = np.sort(rng.permutation(answers.models)[:models]).astype(np.int64)
    return answers.take(rows)


@dataclass(frozen=True)
class Law:
    """The examples of a synthetic world; models are drawn from it.

    Attributes:
        labels: per split, shape (n,).
        centre: mean of phi under retrained models, per split, shape (n,).
        spread: its standard deviation, likewise.
        shift: how much higher originals lie on the forget set, shape (n,).
        wrong: mean logits of all classes, per split, shape (n, C); the true class's is never used.
    """

    labels: Mapping[str, Labels]
    centre: Mapping[str, Values]
    spread: Mapping[str, Values]
    shift: Values
    wrong: Mapping[str, Values] = field(default_factory=dict)

    @classmethod
    def draw(cls, seed: int, sizes: Mapping[str, int] = SIZES) -> Law:
        """Draw the examples."""
        rng = np.random.default_rng([seed, 0])
        centre = {name: rng.normal(0, 2, n) for name, n in sizes.items()}
        centre["retain"] = rng.normal(4, 1.5, sizes["retain"])  # all models were trained on it
        spread = {name: np.exp(SPREAD * rng.normal(size=n)) for name, n in sizes.items()}
        return cls(
            labels={name: (np.arange(n) % CLASSES).astype(np.int64) for name, n in sizes.items()},
            centre=centre,
            spread=spread,
            shift=spread["forget"] * np.abs(rng.normal(SHIFT, SHIFT_SPREAD, sizes["forget"])),
            wrong={name: rng.normal(0, 1.5, (n, CLASSES)) for name, n in sizes.items()},
        )

    def models(self, number: int, rng: np.random.Generator, *, original: bool = False) -> Answers:
        """Draw models; their factors are the same on all splits and under all queries."""
        factor = rng.normal(size=(number, 1))
        splits = {}
        for name in self.labels:
            residual = rng.normal(size=(number, len(self.labels[name])))
            shift = self.shift if original and name == "forget" else np.zeros(len(self.labels[name]))
            splits[name] = self._logits(name, self._phi(name, factor, residual) + shift, rng)
            if name == "forget":
                exact, seen = residual, shift
        queries = {}
        for name, correlation in QUERIES.items():
            other = rng.normal(size=exact.shape)
            residual = correlation * exact + np.sqrt(1 - correlation**2) * other
            queries[name] = self._logits("forget", self._phi("forget", factor, residual) + seen, rng)
        return Answers(splits, queries)

    def _phi(self, split: str, factor: Values, residual: Values) -> Values:
        both = np.sqrt(CORRELATION) * factor + np.sqrt(1 - CORRELATION) * residual
        return np.asarray(self.centre[split] + self.spread[split] * both)

    def _logits(self, split: str, wanted: Values, rng: np.random.Generator) -> Logits:
        noise = rng.normal(0, 0.8, (*wanted.shape, CLASSES))
        logits = (self.wrong[split] + noise).astype(np.float32)
        return with_phi(logits, self.labels[split], wanted)


def synthetic(models: int, seed: int, examples: int | None = None) -> World:
    """Draw a world of ``models`` models a population.

    Args:
        models: N.
        seed: of the models.
        examples: seed of the examples; as ``seed`` where left out.
    """
    law = Law.draw(seed if examples is None else examples)
    rng = np.random.default_rng([seed, models, 1])
    return World(
        n_classes=CLASSES,
        labels=law.labels,
        ids={name: np.array([f"{name}-{row}" for row in range(len(one))]) for name, one in law.labels.items()},
        original=law.models(models, rng, original=True),
        retrained=law.models(models, rng),
        control=law.models(models, rng),
        fresh=law.models(models, rng),
        memory=law.shift / law.spread["forget"],
        spread=law.spread["forget"],
    )


def trained(name: str, models: int, progress: Progress) -> World:
    """Return the models of a bundled task; those that the cache lacks are trained.

    Fresh retrained models are those of the validity study's level *retrain*: they share no seed with any population.
    """
    task = find_task(name)
    data = task.load()
    found = References(task, data).populations(models, progress)
    own = References(level_task(task, RETRAIN), level_data(data, RETRAIN, task.seed))
    answers = {role: _answers(found[role]) for role in ROLES}
    fresh = _answers(own.population("retrained", models))
    labels: dict[str, Labels] = {split: data.split(split).labels for split in SPLITS}
    gone = np.concatenate([phi(answers[role].splits["forget"], labels["forget"]) for role in ("retrained", "control")])
    kept = phi(answers["original"].splits["forget"], labels["forget"])
    return World(
        n_classes=data.n_classes,
        labels=labels,
        ids={split: data.split(split).ids for split in SPLITS},
        fresh=fresh,
        memory=(kept.mean(axis=0) - gone.mean(axis=0)) / gone.std(axis=0, ddof=1),
        spread=gone.std(axis=0, ddof=1),
        **answers,
    )


def _answers(population: Population) -> Answers:
    """Return a cached population's answers, with those to queries where the cache keeps them."""
    return Answers(population.logits, getattr(population, "queries", {}))
