"""All submissions judged at several numbers of models, in several draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.deceptions.catalogue import ALL
from benchmarks.deceptions.judging import Judgement, judge
from benchmarks.deceptions.model import Deception
from benchmarks.populations import Kind, Law, Pool, World
from harness.core.progress import SilentProgress
from harness.plugins.discovery import LoadedEvaluator

SYNTHETIC = Kind(
    "ten classes",
    {"retain": 300, "forget": 200, "validation": 120, "test": 240},
    classes=10,
    queries={"bfloat16": 0.9999, "flip": 0.8, "noise": 0.9},
)

Source = Callable[[int, int], World]
"""Returns the world of ``(models, draw)``."""


@dataclass(frozen=True)
class Plan:
    """What is judged.

    Attributes:
        source: of worlds.
        sizes: numbers of models.
        draws: how often.
        deceptions: which submissions.
    """

    source: Source
    sizes: Sequence[int]
    draws: int
    deceptions: Sequence[Deception] = ALL

    def judgements(self, evaluators: Sequence[LoadedEvaluator]) -> Iterator[Judgement]:
        """Judge every submission; one that needs queries is left out where the world has none."""
        for models in self.sizes:
            for draw in range(self.draws):
                world = self.source(models, draw)
                for one in self.deceptions:
                    if world.original.queries or not one.needs_queries:
                        yield judge(one, world, stream(one, models, draw), evaluators, seed=draw)


def stream(deception: Deception, models: int, draw: int) -> np.random.Generator:
    """Return the random numbers of one submission in one world; they depend on these alone."""
    return np.random.default_rng([models, draw, *deception.name.encode()])


def synthetic(models: int, seed: int, examples: int | None = None) -> World:
    """Draw a world of ``models`` models a population.

    Args:
        models: N.
        seed: of the models.
        examples: seed of the examples; as ``seed`` where left out.
    """
    law = Law.draw(SYNTHETIC, np.random.default_rng([seed if examples is None else examples, 0]))
    return law.world(models, np.random.default_rng([seed, models, 1]))


def source_of(name: str, most: int) -> Source:
    """Return the synthetic source, or that of a bundled task's trained models.

    Args:
        name: "synthetic", or the name of a task.
        most: largest number of models that will be asked for; so many are trained that three populations are retrained ones.
    """
    if name == "synthetic":
        return synthetic
    pool = Pool.of_task(name, math.ceil(1.5 * most), SilentProgress())
    return lambda models, draw: pool.world(models, np.random.default_rng([models, draw]))
