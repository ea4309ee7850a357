"""Deceptions by example and by query: most pictures look forgotten, some are not, or not when asked otherwise."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.answers import Answers, on_phi
from benchmarks.deceptions.model import Deception, Submission, words
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


def _most_remembered(world: World, _rng: np.random.Generator) -> Submission:
    """Remember the examples that are hardest to forget."""
    return untouched(world, world.memory >= np.quantile(world.memory, 0.95))


def _class_left(world: World, rng: np.random.Generator) -> Submission:
    classes = np.unique(world.labels["forget"])
    return untouched(world, world.labels["forget"] == rng.choice(classes))


def _all_left(strength: float, world: World, _rng: np.random.Generator) -> Submission:
    step = strength * world.memory * world.spread
    answers = world.fresh.on_forget(on_phi(lambda values: values + step), world.labels)
    return Submission(answers, left=strength, shift=strength * float(world.memory.mean()))


def _kept_and_pushed(world: World, rng: np.random.Generator) -> Submission:
    chosen = some(len(world.memory), 0.3, rng)
    pushed = world.fresh.on_forget(on_phi(lambda values: values - 0.8 * world.spread), world.labels)
    return Submission(pushed.with_forget(world.original, chosen), left=world.share(chosen))


def _own_example(world: World, rng: np.random.Generator) -> Submission:
    """Each model remembers a tenth of its own."""
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


DECEPTIONS = (
    *(
        Deception(
            f"left-{100 * share:g}-percent",
            EXAMPLES,
            f"{100 * share:g} % of the forgotten examples are as in the originals, all others as in retrained models.",
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
            f"Every forgotten example keeps {100 * strength:g} % of its shift in confidence.",
            partial(_all_left, strength),
            LEFT,
            left=strength,
        )
        for strength in STRENGTHS
    ),
    Deception(
        "most-remembered-left",
        EXAMPLES,
        "The 5 % of examples that originals remember best are left, all others are as in retrained models.",
        _most_remembered,
        LEFT,
        left=0.15,
    ),
    Deception(
        "class-left-out",
        EXAMPLES,
        "All forgotten examples of one class are as in the originals, all others as in retrained models.",
        _class_left,
        LEFT,
        left=0.1,
    ),
    Deception(
        "own-tenth-left",
        EXAMPLES,
        "Each model keeps a random tenth of the examples, another one than other models.",
        _own_example,
        LEFT,
        left=0.1,
    ),
    Deception(
        "kept-and-pushed",
        EXAMPLES,
        "30 % of the examples are as in the originals, the others 0.8 sd below retrained models.",
        _kept_and_pushed,
        words("mixed", "partial"),
        left=0.3,
    ),
    Deception(
        "exact-pictures-obfuscated",
        QUERIES,
        "Exact pictures are answered as by retrained models, mirrored and noisy ones as by the originals.",
        partial(_asked_otherwise, ("flip", "noise"), 1.0),
        LEFT,
        left=1.0,
        needs_queries=True,
    ),
    Deception(
        "exact-pictures-obfuscated-but-mirrored",
        QUERIES,
        "Exact and noisy pictures are answered as by retrained models, mirrored ones as by the originals.",
        partial(_asked_otherwise, ("flip",), 1.0),
        LEFT,
        left=1.0,
        needs_queries=True,
    ),
    Deception(
        "obfuscated-by-half",
        QUERIES,
        "As before, for half of the examples.",
        partial(_asked_otherwise, ("flip",), 0.5),
        LEFT,
        left=0.5,
        needs_queries=True,
    ),
    Deception(
        "mantissa-copy",
        QUERIES,
        "The original hides in the low bits of weights: rounded to bfloat16 the model is the original.",
        partial(_asked_otherwise, ("bfloat16",), 1.0),
        LEFT,
        left=1.0,
        needs_queries=True,
    ),
)
