"""The tables of the study, as data."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks.answers import Answers
from benchmarks.deceptions.judging import VERDICT_FROM, judge
from benchmarks.deceptions.model import Deception
from benchmarks.judging import evaluators
from benchmarks.populations import Kind, Law, World
from benchmarks.verdict import judging
from harness.report.document import VerdictLevel
from harness.report.findings import LEVEL

Mask = NDArray[np.bool_]
Source = Callable[[int, np.random.Generator], World]
"""Draws a world of so many models a population: of new examples each time, or from a pool."""

FAVOURABLE: tuple[VerdictLevel, ...] = ("as_retrained", "no_difference_seen")

TRUTH_MODELS = 400
"""Models of each population from which the truth as seen from the test set is computed."""


@dataclass(frozen=True)
class Share:
    """How often something happened.

    Attributes:
        hits: how often.
        trials: in how many independent draws.
    """

    hits: int
    trials: int

    @property
    def value(self) -> float:
        """Return the share."""
        return self.hits / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Clopper and Pearson 1934)."""
        found = binomtest(self.hits, self.trials).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)

    def __add__(self, other: Share) -> Share:
        return Share(self.hits + other.hits, self.trials + other.trials)


@dataclass(frozen=True)
class Words:
    """The verdicts on one submission at one N.

    Attributes:
        counts: draws by word, most frequent first.
        false: of these, false claims.
        favourable: draws with a favourable verdict.
        broken: of these, draws in which a stated bound lies below what is truly left.
    """

    counts: Mapping[VerdictLevel, int]
    false: Mapping[VerdictLevel, int]
    favourable: int
    broken: int

    @property
    def draws(self) -> int:
        """Return the number of draws."""
        return sum(self.counts.values())

    @property
    def wrong(self) -> Share:
        """Return how often a false claim was made."""
        return Share(sum(self.false.values()), self.draws)

    def share(self, word: VerdictLevel) -> float:
        """Return the share of draws with a word."""
        return self.counts.get(word, 0) / self.draws


@dataclass(frozen=True)
class Coverage:
    """How often 95 % intervals and bounds hold what they should, at one share that is left and one N.

    Attributes:
        plain, calibrated: intervals of memory_left and memory_left_calibrated.
        memory, shift: bounds.
    """

    plain: Share
    calibrated: Share
    memory: Share
    shift: Share


def stream(*names: object) -> np.random.Generator:
    """Return random numbers that depend on the names alone, so that no table depends on another one."""
    return np.random.default_rng(zlib.crc32("|".join(map(str, names)).encode()))


def false_alarms(name: str, source: Source, models: int, draws: int) -> Share:
    """Count p-values of at most 5 % for perfect unlearning."""
    hits = 0
    for number in range(draws):
        world = source(models, stream("alarms", name, models, number))
        hits += judging.difference_p(world, world.fresh, number) <= LEVEL
    return Share(hits, draws)


def words(name: str, source: Source, submission: Deception, models: int, draws: int) -> Words:
    """Judge a submission on fresh draws; draw k is the same for all submissions."""
    forgetting = evaluators([VERDICT_FROM])
    found = []
    for number in range(draws):
        world = judging.without_queries(source(models, stream("words", name, models, number)))
        found.append(judge(submission, world, stream("choice", name, models, number), forgetting, number))
    favourable = [one for one in found if one.level in FAVOURABLE]
    return Words(
        counts=dict(Counter(one.level for one in found).most_common()),
        false=Counter(one.level for one in found if one.breach or one.misnamed),
        favourable=len(favourable),
        broken=sum(not one.covered for one in favourable),
    )


def coverage(kind: Kind, share: float, sizes: Sequence[int], tasks: int, draws: int) -> dict[int, Coverage]:
    """Draw models again and again for each of some tasks, of which a share of the examples is remembered.

    The remembering models are of their own seeds. The truth of memory_left and of the shift is known; as seen from the
    test set it is taken from many models.

    Args:
        kind: of population.
        share: of examples that are remembered.
        sizes: numbers of models N.
        tasks: how many laws are drawn.
        draws: of models, for each task and N.

    Returns:
        by N.
    """
    found: dict[int, list[tuple[bool, ...]]] = {models: [] for models in sizes}
    for task in range(tasks):
        law = Law.draw(kind, stream("law", kind.name, task))
        left = remembered(len(law.shift), share, stream("choice", kind.name, share, task))
        rng = stream("truth", kind.name, share, task)
        truth = judging.slope_as_seen_from_test(*_drawn(law, left, TRUTH_MODELS, rng))
        for models in sizes:
            for number in range(draws):
                rng = stream("coverage", kind.name, share, task, models, number)
                found[models].append(_covered(*_drawn(law, left, models, rng), left, truth, number))
    return {
        models: Coverage(*(Share(sum(row), len(row)) for row in zip(*rows, strict=True)))
        for models, rows in found.items()
    }


def remembered(examples: int, share: float, rng: np.random.Generator) -> Mask:
    """Draw a share of the examples."""
    chosen = np.zeros(examples, dtype=bool)
    chosen[rng.permutation(examples)[: round(share * examples)]] = True
    return chosen


def _drawn(law: Law, left: Mask, models: int, rng: np.random.Generator) -> tuple[World, Answers]:
    """Draw a world, and models of their own seeds that remember some examples."""
    world = law.world(models, rng)
    return world, world.fresh.with_forget(law.models(models, rng, remembered=1.0), left)


def _covered(world: World, unlearned: Answers, left: Mask, calibrated: float, seed: int) -> tuple[bool, ...]:
    found = judging.bounds(world, unlearned, seed)
    plain = world.share(left)
    inside = [
        one.bound(LEVEL / 2) <= truth <= one.bound(1 - LEVEL / 2)
        for one, truth in ((found.plain, plain), (found.calibrated, calibrated))
    ]
    return (*inside, found.memory >= plain, found.shift >= (world.memory * left).mean())
