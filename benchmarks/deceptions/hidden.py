"""Submissions that look forgotten from outside: only a change of the weights shows what is left, or that nothing is."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.answers import Answers, on_phi
from benchmarks.deceptions.model import Deception, Submission, deception, register, words
from benchmarks.populations import World

WEIGHTS = "weights"
SHARES = (0.3, 0.7)


def _comes_back(share: float, world: World, _rng: np.random.Generator) -> Submission:
    memory = share * world.memory * world.spread
    recovered = world.fresh.on_forget(on_phi(lambda values: values + memory), world.labels)
    return Submission(world.fresh, left=share, recovered=recovered)


register(
    *(
        Deception(
            f"{100 * share:g}-percent-suppressed",
            WEIGHTS,
            f"Answer as retrained models do; a little training on retained data brings {100 * share:g} % of the memory back.",
            partial(_comes_back, share),
            words("not_durable"),
            left=share,
        )
        for share in SHARES
    )
)


@deception("retrained-and-trained-on", "honest", words("as_retrained", "no_difference_seen", "unclear"), honest=True)
def _trained_on(world: World, rng: np.random.Generator) -> Submission:
    """Answer as retrained models do, also after a little training on retained data."""
    return Submission(world.fresh, recovered=shaken(world.fresh, rng))


def shaken(models: Answers, rng: np.random.Generator) -> Answers:
    """Return what models answer after a change of their weights that brings nothing back: a little noise on each logit."""
    splits = {
        name: (array + 0.1 * rng.standard_normal(array.shape)).astype(np.float32)
        for name, array in models.splits.items()
    }
    return Answers(splits, models.queries)
