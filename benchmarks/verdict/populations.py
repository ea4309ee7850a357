"""Populations of models to judge: from a law that is known, and drawn from a pool of models that were really trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.core.progress import Progress
from harness.evaluation import phi
from harness.plugins.discovery import find_task
from harness.references.populations import References

Logits = NDArray[np.float32]
Values = NDArray[np.float64]
Labels = NDArray[np.int64]
Role = Literal["original", "retrained", "control", "fresh", "knowing"]

FORGET, TEST = 200, 400
"""Examples of a synthetic task."""


@dataclass(frozen=True)
class World:
    """One draw of all populations.

    Attributes:
        logits: by population, shape (N, n + m, C): forgotten examples, then test examples. ``fresh`` are further retrained
            models, of perfect unlearning; ``knowing`` are further models that were trained on the forget set.
        labels: true classes, shape (n + m,).
        deviation: standard deviation of phi over retrained models, per forgotten example, shape (n,).
        memory: mean shift of the originals against retrained models in those deviations, shape (n,).
    """

    logits: Mapping[Role, Logits]
    labels: Labels
    deviation: Values
    memory: Values

    @property
    def models(self) -> int:
        """Return the number of originals."""
        return len(self.logits["original"])

    @property
    def forget(self) -> int:
        """Return the number of forgotten examples."""
        return len(self.memory)


class Law(Protocol):
    """What populations are drawn from."""

    def draw(self, models: int, rng: np.random.Generator) -> World:
        """Draw populations of so many models each."""
        ...


@dataclass(frozen=True)
class Kind:
    """A kind of synthetic population: phi of model r on example i is mu_i + s_i (sqrt(rho) a_r + sqrt(1 - rho) e_ri).

    Attributes:
        name: as in the tables.
        classes: number of classes C; with more than two, logits of wrong classes vary as well.
        correlation: rho, between two examples over models.
        tails: degrees of freedom of e's Student's t; None: normal.
        saturated: whether phi is rounded to multiples of 1 and cut at 3: most models tie on many examples.
    """

    name: str
    classes: int = 2
    correlation: float = 0.01
    tails: int | None = None
    saturated: bool = False

    def law(self, rng: np.random.Generator) -> Law:
        """Draw the examples: mu from N(0, 2), s = exp(0.22 z), shift of the originals s |N(1.4, 0.8)|."""
        everything = FORGET + TEST
        return Synthetic(
            self,
            labels=rng.integers(0, self.classes, everything),
            centre=rng.normal(0, 2, everything),
            deviation=np.exp(0.22 * rng.normal(size=everything)),
            memory=np.abs(rng.normal(1.4, 0.8, FORGET)),
            wrong=rng.normal(0, 1, (everything, self.classes - 1)),
        )


@dataclass(frozen=True)
class Synthetic:
    """The examples of a synthetic task; attributes as of :class:`World`, of all examples.

    Attributes:
        kind: of population.
        labels: shape (n + m,).
        centre: mean phi of retrained models, shape (n + m,).
        deviation: of phi over models, shape (n + m,).
        memory: shape (n,).
        wrong: means of the logits of wrong classes, shape (n + m, C - 1).
    """

    kind: Kind
    labels: Labels
    centre: Values
    deviation: Values
    memory: Values
    wrong: Values

    def draw(self, models: int, rng: np.random.Generator) -> World:
        """Draw populations of so many models each."""
        roles: tuple[Role, ...] = ("original", "retrained", "control", "fresh", "knowing")
        logits = {role: self._logits(self._phi(models, role in ("original", "knowing"), rng), rng) for role in roles}
        return World(logits, self.labels, self.deviation[: len(self.memory)], self.memory)

    def _phi(self, models: int, knows: bool, rng: np.random.Generator) -> Values:
        rho, tails = self.kind.correlation, self.kind.tails
        shared = rng.normal(size=(models, 1))
        shape = models, len(self.centre)
        own = rng.normal(size=shape) if tails is None else rng.standard_t(tails, shape) * np.sqrt((tails - 2) / tails)
        found = self.centre + self.deviation * (np.sqrt(rho) * shared + np.sqrt(1 - rho) * own)
        if knows:
            n = len(self.memory)
            found[:, :n] += self.deviation[:n] * self.memory
        return np.asarray(np.minimum(np.round(found), 3.0) if self.kind.saturated else found)

    def _logits(self, values: Values, rng: np.random.Generator) -> Logits:
        """Return logits with these phi; those of wrong classes vary by 0.5 about their means."""
        wrong = self.wrong + 0.5 * rng.normal(size=(len(values), *self.wrong.shape)) * (self.kind.classes > 2)
        rest = np.log(np.exp(wrong).sum(axis=2))
        logits = np.full((*values.shape, self.kind.classes), np.nan, dtype=np.float32)
        others = np.arange(self.kind.classes - 1)[None, :]
        others = others + (others >= self.labels[:, None])
        np.put_along_axis(logits, np.broadcast_to(others, wrong.shape), wrong.astype(np.float32), axis=2)
        true = np.broadcast_to(self.labels[None, :, None], (*values.shape, 1))
        np.put_along_axis(logits, true, (values + rest)[..., None].astype(np.float32), axis=2)
        return logits


@dataclass(frozen=True)
class Pool:
    """Models that were really trained; populations are drawn from them without replacement.

    Attributes:
        originals: logits, shape (models, n + m, C).
        retrained: logits of retrained and control models, likewise.
        labels: shape (n + m,).
        forget: number of forgotten examples.
        deviation, memory: as of :class:`World`, from all models of the pool.
    """

    originals: Logits
    retrained: Logits
    labels: Labels
    forget: int
    deviation: Values
    memory: Values

    @classmethod
    def of_task(cls, name: str, models: int, progress: Progress) -> Pool:
        """Train the reference models of a task, or find them in the cache."""
        task = find_task(name)
        data = task.load()
        found = References(task, data).populations(models, progress)
        by_role = {
            role: np.concatenate([one.logits["forget"], one.logits["test"]], axis=1) for role, one in found.items()
        }
        labels = np.concatenate([data.forget.labels, data.test.labels])
        retrained = np.concatenate([by_role["retrained"], by_role["control"]])
        return cls.of_logits(by_role["original"], retrained, labels, len(data.forget))

    @classmethod
    def of_logits(cls, originals: Logits, retrained: Logits, labels: Labels, forget: int) -> Pool:
        """Estimate deviations and shifts from all models."""
        after, before = (phi(one[:, :forget], labels[:forget]) for one in (retrained, originals))
        deviation = after.std(axis=0, ddof=1)
        return cls(originals, retrained, labels, forget, deviation, (before.mean(0) - after.mean(0)) / deviation)

    def draw(self, models: int, rng: np.random.Generator) -> World:
        """Draw populations of so many models each; no model is in two of them."""
        retrained, knowing = rng.permutation(len(self.retrained)), rng.permutation(len(self.originals))
        if 3 * models > len(retrained) or 2 * models > len(knowing):
            raise ValueError(f"a pool of {len(knowing)} originals is too small for populations of {models} models")
        after: tuple[Role, ...] = ("retrained", "control", "fresh")
        before: tuple[Role, ...] = ("original", "knowing")
        logits = {role: self.retrained[part] for role, part in zip(after, _parts(retrained, models), strict=False)}
        logits |= {role: self.originals[part] for role, part in zip(before, _parts(knowing, models), strict=False)}
        return World(logits, self.labels, self.deviation, self.memory)


def _parts(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]


Draw = Callable[[np.random.Generator], Law]
"""Gives a law: a new one each time for synthetic populations, always the pool for real ones."""

KINDS = (
    Kind("synthetic, two classes"),
    Kind("synthetic, ten classes", classes=10),
    Kind("correlation .1", correlation=0.1),
    Kind("t3 tails", tails=3),
    Kind("saturated, with ties", saturated=True),
)
