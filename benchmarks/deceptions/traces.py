"""Deceptions by example and by query: most pictures look forgotten, some are not, or not when asked otherwise."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.answers import Answers, on_phi
from benchmarks.deceptions.model import Deception, Submission, deception, register, words
from benchmarks.populations import World

EXAMPLES, QUERIES = "examples", "queries"
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
STRENGTHS = (0.05, 0.1, 0.2, 0.4)
LEFT = words("partial", "mixed", "none")
Mask = NDArray[np.bool_]


def some(examples: int, share: float, rng: np.random.Generator) -> Mask:
    """Draw a share of the examples, at least one."""
    chosen = np.zeros(examples, dtype=bool)
    chosen[rng.permutation(examples)[: max(1, round(share * examples))]] = True
    return chosen


def untouched(world: World, chosen: Mask) -> Submission:
    """Leave the chosen examples as originals answer them."""
    answers = world.fresh.with_forget(world.original, chosen)
    return Submission(answers, left=world.share(chosen), shift=float((world.memory * chosen).mean()))


def _left(share: float, world: World, rng: np.random.Generator) -> Submission:
    return untouched(world, some(len(world.memory), share, rng))


@deception("most-remembered-left", EXAMPLES, LEFT, left=0.15)
def _most_remembered(world: World, _rng: np.random.Generator) -> Submission:
    """Leave the 5 % of examples that originals remember best; answer all others as retrained models do."""
    return untouched(world, world.memory >= np.quantile(world.memory, 0.95))


@deception("class-left-out", EXAMPLES, LEFT, left=0.1)
def _class_left(world: World, rng: np.random.Generator) -> Submission:
    """Leave all forgotten examples of one class; answer all others as retrained models do."""
    classes = np.unique(world.labels["forget"])
    return untouched(world, world.labels["forget"] == rng.choice(classes))


def _all_left(strength: float, world: World, _rng: np.random.Generator) -> Submission:
    step = strength * world.memory * world.spread
    answers = world.fresh.on_forget(on_phi(lambda values: values + step), world.labels)
    return Submission(answers, left=strength, shift=strength * float(world.memory.mean()))


@deception("kept-and-pushed", EXAMPLES, words("mixed", "partial"), left=0.3)
def _kept_and_pushed(world: World, rng: np.random.Generator) -> Submission:
    """Leave 30 % of the examples, and push the others 0.8 sd below retrained models."""
    chosen = some(len(world.memory), 0.3, rng)
    pushed = world.fresh.on_forget(on_phi(lambda values: values - 0.8 * world.spread), world.labels)
    return Submission(pushed.with_forget(world.original, chosen), left=world.share(chosen))


@deception("own-tenth-left", EXAMPLES, LEFT, left=0.1)
def _own_example(world: World, rng: np.random.Generator) -> Submission:
    """Leave a random tenth of the examples, another one in each model."""
    chosen = rng.random((world.fresh.models, len(world.memory))) < 0.1
    return Submission(world.fresh.with_forget(world.original, chosen), shift=0.1 * float(world.memory.mean()))


def _asked_otherwise(names: tuple[str, ...], share: float, world: World, rng: np.random.Generator) -> Submission:
    """Exact pictures are answered as retrained models do; of a share of the examples these queries are not."""
    chosen = some(len(world.memory), share, rng)[None, :, None]
    queries = {
        name: np.where(chosen, world.original.queries[name], array) if name in names else array
        for name, array in world.fresh.queries.items()
    }
    return Submission(Answers(world.fresh.splits, queries), left=share)


register(
    *(
        Deception(
            f"left-{100 * share:g}-percent",
            EXAMPLES,
            f"Leave {100 * share:g} % of the forgotten examples; answer all others as retrained models do.",
            partial(_left, share),
            LEFT,
            left=share,
        )
        for share in SHARES
    ),
    *(
        Deception(
            f"all-left-by-{100 * strength:g}-percent",
            EXAMPLES,
            f"Leave every forgotten example {100 * strength:g} % of its shift in confidence.",
            partial(_all_left, strength),
            LEFT,
            left=strength,
        )
        for strength in STRENGTHS
    ),
    Deception(
        "exact-pictures-obfuscated",
        QUERIES,
        "Answer exact pictures as retrained models do, mirrored and noisy ones as the originals do.",
        partial(_asked_otherwise, ("flip", "noise"), 1.0),
        LEFT,
        left=1.0,
        needs_queries=True,
    ),
    Deception(
        "exact-pictures-obfuscated-but-mirrored",
        QUERIES,
        "Answer exact and noisy pictures as retrained models do, mirrored ones as the originals do.",
        partial(_asked_otherwise, ("flip",), 1.0),
        LEFT,
        left=1.0,
        needs_queries=True,
    ),
    Deception(
        "obfuscated-by-half",
        QUERIES,
        "Answer mirrored pictures as the originals do, for half of the examples.",
        partial(_asked_otherwise, ("flip",), 0.5),
        LEFT,
        left=0.5,
        needs_queries=True,
    ),
    Deception(
        "mantissa-copy",
        QUERIES,
        "Hide the original in the low bits of weights: rounded to bfloat16 the model is the original.",
        partial(_asked_otherwise, ("bfloat16",), 1.0),
        LEFT,
        left=1.0,
        needs_queries=True,
    ),
)
