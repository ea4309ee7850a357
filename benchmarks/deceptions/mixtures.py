"""Deceptions over models: each model may look right, but their population differs from that of retrained models."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.answers import Answers, Logits, Rows, on_phi, scaled
from benchmarks.deceptions.model import Deception, Submission, deception, register, words
from benchmarks.populations import World
from harness.evaluation import phi

MODELS, DIVERSITY, FAILURES = "mixtures", "diversity", "failures"
REMEMBERS = words("none", "partial", "mixed")
NOT_ONE = words("mixed", "another_model", "over_forgetting", "partial")


def _half(models: int, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    chosen = np.zeros(models, dtype=bool)
    chosen[rng.permutation(models)[: models // 2]] = True
    return chosen


def less_memory(world: World, share: float | np.ndarray[tuple[int], np.dtype[np.float64]]) -> Answers:
    """Return the originals less a share of their memory, one number or one of each model, shape (N,)."""
    step = np.asarray(share).reshape(-1, 1) * world.memory * world.spread
    return world.original.on_forget(on_phi(lambda values: values - step), world.labels)


@deception("half-untouched", MODELS, REMEMBERS, left=0.5)
def _half_untouched(world: World, rng: np.random.Generator) -> Submission:
    """Return half of the originals untouched, and retrained models for the others."""
    return Submission(world.fresh.with_models(world.original, _half(world.fresh.models, rng)))


@deception("half-mirrored", MODELS, words("mixed", "partial"), left=0.5)
def _half_mirrored(world: World, rng: np.random.Generator) -> Submission:
    """Return half of the originals untouched; put the others as far below retrained models as those lie above."""
    chosen = _half(world.fresh.models, rng)
    return Submission(less_memory(world, np.where(chosen, 0.0, 2.0)))


@deception("one-in-eight-untouched", MODELS, words("partial", "mixed"), left=0.125)
def _one_in_eight(world: World, rng: np.random.Generator) -> Submission:
    """Return one original in eight untouched, and retrained models for the others."""
    chosen = np.zeros(world.fresh.models, dtype=bool)
    chosen[rng.permutation(len(chosen))[: len(chosen) // 8]] = True
    return Submission(world.fresh.with_models(world.original, chosen))


def _few_models(distinct: int, world: World, rng: np.random.Generator) -> Submission:
    rows: Rows = (np.arange(world.fresh.models) % distinct).astype(np.int64)
    return Submission(world.fresh.take(rng.permutation(world.fresh.models)[rows]))


@deception("fixed-seed", DIVERSITY, NOT_ONE)
def _fixed_seed(world: World, _rng: np.random.Generator) -> Submission:
    """Retrain all models from one seed, so that they differ by a twentieth of the usual spread."""
    first = world.fresh.take(np.zeros(world.fresh.models, dtype=np.int64))
    return Submission(first.beside(world.fresh, _mostly_first))


def _mostly_first(first: Logits, each: Logits) -> Logits:
    return np.asarray(0.95 * first + 0.05 * each, dtype=np.float32)


@deception("seeds-in-pairs", DIVERSITY, NOT_ONE)
def _seeds_in_pairs(world: World, _rng: np.random.Generator) -> Submission:
    """Return every retrained model twice."""
    return Submission(world.fresh.take((np.arange(world.fresh.models) // 2).astype(np.int64)))


@deception("other-originals", MODELS, words("none", "partial"), left=1.0)
def _other_originals(world: World, _rng: np.random.Generator) -> Submission:
    """Return the original of another seed."""
    return Submission(world.original.take(np.roll(np.arange(world.original.models), 1)))


def _noisy(deviation: float, world: World, rng: np.random.Generator) -> Submission:
    noise = on_phi(lambda values: values + rng.normal(0, deviation, values.shape))
    return Submission(world.original.everywhere(noise, world.labels))


@deception("noop", MODELS, words("none", "partial"), left=1.0)
def _untouched(world: World, _rng: np.random.Generator) -> Submission:
    """Return the originals, untouched."""
    return Submission(world.original)


def _failing(least: float, most: float, survivors: float, world: World, rng: np.random.Generator) -> Submission:
    """Each model loses a share of its memory of its own; those fail that are most confident on the forget set."""
    models = world.original.models
    lost = rng.uniform(least, most, models)
    answers = less_memory(world, lost)
    confidence = phi(answers.splits["forget"], world.labels["forget"]).mean(axis=1)
    finished: Rows = np.sort(np.argsort(confidence, kind="stable")[: max(2, round(survivors * models))]).astype(
        np.int64
    )
    return Submission(answers.take(finished), finished, left=float(1 - lost[finished].mean()))


@deception("averaged", MODELS, words("partial", "mixed", "another_model", "none"), left=0.5)
def _half_as_confident(world: World, _rng: np.random.Generator) -> Submission:
    """Average the logits of an original and a retrained model, as a merge of the two would answer."""
    half = world.original.everywhere(scaled(0.5), world.labels)
    other = world.fresh.everywhere(scaled(0.5), world.labels)
    return Submission(half.beside(other, lambda one, two: one + two))


register(
    Deception(
        "noisy-copy",
        MODELS,
        "Return the originals with noise of 1 on every confidence, on all splits.",
        partial(_noisy, 1.0),
        REMEMBERS,
        left=1.0,
    ),
    Deception(
        "slightly-noisy-copy",
        MODELS,
        "Return the originals with noise of 0.3 on every confidence, on all splits.",
        partial(_noisy, 0.3),
        REMEMBERS,
        left=1.0,
    ),
    Deception(
        "one-model", DIVERSITY, "Return one retrained model for every original.", partial(_few_models, 1), NOT_ONE
    ),
    Deception("four-models", DIVERSITY, "Return four retrained models in turn.", partial(_few_models, 4), NOT_ONE),
    Deception(
        "worst-half-fails",
        FAILURES,
        "Remove 0 to 100 % of each model's memory at random; the half that is most confident on the forget set fails.",
        partial(_failing, 0.0, 1.0, 0.5),
        words("partial", "mixed", "unclear"),
        left=0.25,
    ),
    Deception(
        "worst-tenth-fails",
        FAILURES,
        "Remove 80 to 100 % of each model's memory; the most confident tenth fails, which leaves 90 % finished.",
        partial(_failing, 0.8, 1.0, 0.91),
        words("partial", "mixed"),
        left=0.1,
    ),
)
