"""The tables of the study, as data."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks.verdict import judging
from benchmarks.verdict.populations import Draw, Law, Logits, World
from benchmarks.verdict.submissions import FAVOURABLE, Submission, remembered
from harness.report.document import VerdictLevel
from harness.report.findings import LEVEL

Rows = NDArray[np.int64]

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
        wrong_words: words that are false claims of this submission.
        wrong: draws with one of them.
        broken: favourable verdicts whose stated bound lies below what is truly left; of all favourable ones.
    """

    counts: Mapping[VerdictLevel, int]
    wrong_words: tuple[VerdictLevel, ...]
    wrong: Share
    broken: Share | None

    @property
    def draws(self) -> int:
        """Return the number of draws."""
        return sum(self.counts.values())

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


def false_alarms(name: str, draw: Draw, models: int, draws: int) -> Share:
    """Count p-values of at most 5 % for perfect unlearning."""
    hits = 0
    for number in range(draws):
        rng = stream("alarms", name, models, number)
        world = draw(rng).draw(models, rng)
        hits += judging.difference_p(judging.evidence(world, world.logits["fresh"], number)) <= LEVEL
    return Share(hits, draws)


def words(name: str, draw: Draw, submission: Submission, models: int, draws: int) -> Words:
    """Judge a submission on fresh draws; draw k is the same for all submissions."""
    found, broken, favourable = [], 0, 0
    for number in range(draws):
        rng = stream("words", name, models, number)
        world = draw(rng).draw(models, rng)
        truth = _left(world, submission, stream("choice", name, models, number))
        made = submission.make(world, stream("choice", name, models, number))
        judgement = judging.judge(judging.evidence(world, made, number))
        found.append(judgement.word)
        if truth is not None and judgement.word in FAVOURABLE:
            favourable += 1
            broken += judgement.memory_bound is not None and judgement.memory_bound < truth
    counts = dict(Counter(found).most_common())
    wrong = Share(sum(counts.get(word, 0) for word in submission.wrong), draws)
    return Words(counts, submission.wrong, wrong, Share(broken, favourable) if favourable else None)


def _left(world: World, submission: Submission, rng: np.random.Generator) -> float | None:
    """Return the share of the memory that a submission leaves, with the examples that it chooses from ``rng``."""
    if submission.left is None:
        return None
    return _weight(world, remembered(world, submission.left, rng))


def _weight(world: World, chosen: Rows) -> float:
    squares = world.memory**2
    return float(squares[chosen].sum() / squares.sum())


def coverage(name: str, draw: Draw, share: float, sizes: Sequence[int], tasks: int, draws: int) -> dict[int, Coverage]:
    """Draw models again and again for each of some tasks, of which a share of the examples is remembered.

    The remembering models are of their own seeds. The truth of memory_left and of the shift is known; as seen from the
    test set it is taken from many models.

    Args:
        name: of the law.
        draw: gives a law.
        share: of examples that are remembered.
        sizes: numbers of models N.
        tasks: how many laws are drawn.
        draws: of models, for each task and N.

    Returns:
        by N.
    """
    found: dict[int, list[tuple[bool, ...]]] = {models: [] for models in sizes}
    for task in range(tasks):
        law = draw(stream("law", name, task))
        chosen = remembered(law.draw(2, stream("choice", name, task)), share, stream("choice", name, share, task))
        truth = _truth(law, chosen, stream("truth", name, share, task))
        for models in sizes:
            for number in range(draws):
                world = law.draw(models, stream("coverage", name, share, task, models, number))
                found[models].append(_covered(world, chosen, truth, number))
    return {
        models: Coverage(*(Share(sum(row), len(row)) for row in zip(*rows, strict=True)))
        for models, rows in found.items()
    }


def _knowing(world: World, chosen: Rows) -> Logits:
    models = world.logits["fresh"].copy()
    models[:, chosen] = world.logits["knowing"][:, chosen]
    return np.asarray(models)


def _truth(law: Law, chosen: Rows, rng: np.random.Generator) -> float:
    world = law.draw(TRUTH_MODELS, rng)
    return judging.slope_as_seen_from_test(judging.evidence(world, _knowing(world, chosen)))


def _covered(world: World, chosen: Rows, calibrated: float, seed: int) -> tuple[bool, ...]:
    found = judging.bounds(judging.evidence(world, _knowing(world, chosen), seed))
    plain = _weight(world, chosen)
    shift = world.memory[chosen].sum() / world.forget
    inside = [
        one.bound(LEVEL / 2) <= truth <= one.bound(1 - LEVEL / 2)
        for one, truth in ((found.plain, plain), (found.calibrated, calibrated))
    ]
    return (*inside, found.memory >= plain, found.shift >= shift)
