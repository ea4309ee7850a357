"""Populations of models to judge: from a law that is known, or drawn from models that were really trained.

The law follows the bundled task ``faces``. The logit-scaled confidence phi of model r on example i is

    phi_ri = mu_i + s_i (sqrt(c) a_r + sqrt(1 - c) e_ri),  mu ~ N(0, 2^2),  ln s ~ N(0, .22^2),

where a_r is a factor of model r, all letters on the right are independent, and c is the correlation of two examples over models,
.01. Originals lie higher by s_i |N(1.4, .8^2)| on the forget set. A :class:`Kind` may differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.answers import Answers, Labels, Logits, Values, with_phi
from harness.core.progress import Progress
from harness.evaluation import phi
from harness.plugins.discovery import find_task
from harness.references.identity import ROLES
from harness.references.populations import References

SHIFT, SHIFT_SPREAD = 1.4, 0.8
WRONG, WRONG_NOISE = 1.5, 0.8
"""Standard deviation of the mean logits of wrong classes, and that of each logit over models."""


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

    def share(self, examples: NDArray[np.bool_] | Values) -> float:
        """Return the share of the memory, by its square, that is left where so much of each example's is left."""
        weights = self.memory**2
        return float((weights * examples).sum() / weights.sum())


@dataclass(frozen=True)
class Kind:
    """A kind of synthetic population.

    Attributes:
        name: as in the tables.
        sizes: examples of each split.
        classes: number of classes C.
        correlation: c.
        spread: standard deviation of ln s.
        tails: degrees of freedom of e's Student's t, scaled to variance 1; None: normal.
        saturated: whether phi is rounded to whole numbers and cut at 3: most models tie on many examples.
        queries: correlation of each query's e with that of the exact picture.
    """

    name: str
    sizes: Mapping[str, int]
    classes: int = 2
    correlation: float = 0.01
    spread: float = 0.22
    tails: int | None = None
    saturated: bool = False
    queries: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Law:
    """The examples of a synthetic world; models are drawn from it.

    Attributes:
        kind: of population.
        labels: per split, shape (n,).
        centre: mean of phi under retrained models, per split, shape (n,).
        spread: its standard deviation, likewise.
        shift: how much higher originals lie on the forget set, shape (n,).
        wrong: mean logits of all classes, per split, shape (n, C); the true class's is never used.
    """

    kind: Kind
    labels: Mapping[str, Labels]
    centre: Mapping[str, Values]
    spread: Mapping[str, Values]
    shift: Values
    wrong: Mapping[str, Values]

    @classmethod
    def draw(cls, kind: Kind, rng: np.random.Generator) -> Law:
        """Draw the examples."""
        sizes = kind.sizes
        centre = {name: rng.normal(0, 2, n) for name, n in sizes.items()}
        if "retain" in sizes:
            centre["retain"] = rng.normal(4, 1.5, sizes["retain"])  # all models were trained on it
        spread = {name: np.exp(kind.spread * rng.normal(size=n)) for name, n in sizes.items()}
        return cls(
            kind=kind,
            labels={name: (np.arange(n) % kind.classes).astype(np.int64) for name, n in sizes.items()},
            centre=centre,
            spread=spread,
            shift=spread["forget"] * np.abs(rng.normal(SHIFT, SHIFT_SPREAD, sizes["forget"])),
            wrong={name: rng.normal(0, WRONG, (n, kind.classes)) for name, n in sizes.items()},
        )

    def models(self, number: int, rng: np.random.Generator, remembered: float = 0.0) -> Answers:
        """Draw models; their factors are the same on all splits and under all queries.

        Args:
            number: how many.
            rng: random numbers.
            remembered: share of the originals' shift on every forgotten example; 1 for originals, 0 for retrained models.
        """
        factor = rng.normal(size=(number, 1))
        exact: Values = np.empty(0)
        splits = {}
        for name, labels in self.labels.items():
            residual = self._residual((number, len(labels)), rng)
            if name == "forget":
                exact = residual
            splits[name] = self._logits(name, factor, residual, remembered, rng)
        queries = {}
        for name, correlation in self.kind.queries.items():
            residual = correlation * exact + np.sqrt(1 - correlation**2) * self._residual(exact.shape, rng)
            queries[name] = self._logits("forget", factor, residual, remembered, rng)
        return Answers(splits, queries)

    def world(self, models: int, rng: np.random.Generator) -> World:
        """Draw a world of ``models`` models a population."""
        return World(
            n_classes=self.kind.classes,
            labels=self.labels,
            ids={name: np.array([f"{name}-{row}" for row in range(len(one))]) for name, one in self.labels.items()},
            original=self.models(models, rng, remembered=1.0),
            retrained=self.models(models, rng),
            control=self.models(models, rng),
            fresh=self.models(models, rng),
            memory=self.shift / self.spread["forget"],
            spread=self.spread["forget"],
        )

    def _residual(self, shape: tuple[int, ...], rng: np.random.Generator) -> Values:
        tails = self.kind.tails
        if tails is None:
            return rng.normal(size=shape)
        return np.asarray(rng.standard_t(tails, shape) * np.sqrt((tails - 2) / tails))

    def _logits(
        self, split: str, factor: Values, residual: Values, remembered: float, rng: np.random.Generator
    ) -> Logits:
        both = np.sqrt(self.kind.correlation) * factor + np.sqrt(1 - self.kind.correlation) * residual
        wanted = self.centre[split] + self.spread[split] * both
        if split == "forget":
            wanted = wanted + remembered * self.shift
        if self.kind.saturated:
            wanted = np.minimum(np.round(wanted), 3.0)
        noise = rng.normal(0, WRONG_NOISE, (*wanted.shape, self.kind.classes))
        return with_phi((self.wrong[split] + noise).astype(np.float32), self.labels[split], wanted)


@dataclass(frozen=True)
class Pool:
    """Models that were really trained; worlds are drawn from them without replacement.

    Attributes:
        n_classes, labels, ids: as of :class:`World`.
        original: models before unlearning.
        retrained: retrained and control models.
    """

    n_classes: int
    labels: Mapping[str, Labels]
    ids: Mapping[str, NDArray[np.str_]]
    original: Answers
    retrained: Answers

    @classmethod
    def of_task(cls, name: str, models: int, progress: Progress) -> Pool:
        """Train the reference models of a task, or find them in the cache."""
        task = find_task(name)
        data = task.load()
        found = References(task, data).populations(models, progress)
        answers = {role: Answers(found[role].logits, found[role].queries) for role in ROLES}
        return cls(
            n_classes=data.n_classes,
            labels={split: data.split(split).labels for split in found["original"].logits},
            ids={split: data.split(split).ids for split in found["original"].logits},
            original=answers["original"],
            retrained=answers["retrained"].joined(answers["control"]),
        )

    def world(self, models: int, rng: np.random.Generator) -> World:
        """Draw a world of ``models`` models a population; no model is in two of them.

        Raises:
            ValueError: the pool has not enough models.
        """
        if 3 * models > self.retrained.models or models > self.original.models:
            raise ValueError(
                f"a pool of {self.original.models} originals is too small for populations of {models} models"
            )
        chosen = rng.permutation(self.retrained.models)[: 3 * models].reshape(3, models)
        retrained, control, fresh = (self.retrained.take(np.sort(rows)) for rows in chosen)
        labels = self.labels["forget"]
        gone, kept = (phi(one.splits["forget"], labels) for one in (self.retrained, self.original))
        spread = gone.std(axis=0, ddof=1)
        return World(
            n_classes=self.n_classes,
            labels=self.labels,
            ids=self.ids,
            original=self.original.take(np.sort(rng.permutation(self.original.models)[:models])),
            retrained=retrained,
            control=control,
            fresh=fresh,
            memory=(kept.mean(axis=0) - gone.mean(axis=0)) / spread,
            spread=spread,
        )
