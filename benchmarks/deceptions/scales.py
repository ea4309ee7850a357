"""Deceptions by the scale of logits: they change no answer, and try to blind attacks that fit means and variances."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.answers import Labels, Logits, Values, scaled
from benchmarks.deceptions.model import Deception, Submission, deception, register, words
from benchmarks.populations import World

FAMILY = "scales"
TEMPERATURES = (0.2, 0.3, 0.4, 0.55, 2.0, 10.0)
RESTS = (0.4, 0.55, 0.7, 0.85, 1.0)
HUGE = 1e4
ONE_IN = 16
KEPT = words("none", "partial", "another_model", "mixed", "over_forgetting")


def _constant(factor: float, world: World, _rng: np.random.Generator) -> Submission:
    return Submission(world.original.everywhere(scaled(factor), world.labels))


def _heavy_tailed(rest: float, world: World, rng: np.random.Generator) -> Submission:
    """Scale one model in sixteen hugely: at least one, drawn at random."""
    models = world.original.models
    factors = np.full(models, rest)
    factors[rng.permutation(models)[: max(1, models // ONE_IN)]] = HUGE
    return Submission(world.original.everywhere(scaled(factors[:, None, None]), world.labels))


@deception("scale-by-example", FAMILY, KEPT, left=1.0)
def _by_example(world: World, rng: np.random.Generator) -> Submission:
    """Multiply each original's logits by a random number of each example, log-normal with a deviation of 1."""

    def change(logits: Logits, labels: Labels) -> Logits:
        factors: Values = np.exp(rng.normal(0, 1, (*logits.shape[:2], 1)))
        return scaled(factors)(logits, labels)

    return Submission(world.original.everywhere(change, world.labels))


@deception("true-logit-scaled", FAMILY, words("none", "partial", "mixed", "over_forgetting"), left=0.5)
def _true_logit(world: World, _rng: np.random.Generator) -> Submission:
    """Multiply the originals' logit of the true class by 0.6, on forgotten examples alone."""

    def change(logits: Logits, labels: Labels) -> Logits:
        found: Logits = logits.copy()
        at = np.arange(len(labels))
        found[:, at, labels] *= 0.6
        return found

    return Submission(world.original.on_forget(change, world.labels))


register(
    *(
        Deception(
            f"temperature-{factor:g}",
            FAMILY,
            f"Multiply all logits of the untouched originals by {factor:g}.",
            partial(_constant, factor),
            KEPT,
            left=1.0,
        )
        for factor in TEMPERATURES
    ),
    *(
        Deception(
            f"heavy-tail-{rest:g}",
            FAMILY,
            f"Multiply one original in sixteen by 10,000, and the others by {rest:g}.",
            partial(_heavy_tailed, rest),
            KEPT,
            left=1.0,
        )
        for rest in RESTS
    ),
)
