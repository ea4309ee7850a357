"""Submissions whose quality is known: what stands in place of the unlearned models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdict.populations import Logits, World
from harness.report.document import VerdictLevel

Values = NDArray[np.float64]

FAVOURABLE: tuple[VerdictLevel, ...] = ("as_retrained", "no_difference_seen")
UNDECIDED: tuple[VerdictLevel, ...] = (*FAVOURABLE, "unclear")


@dataclass(frozen=True)
class Submission:
    """One way to return models.

    Attributes:
        name: as in the tables.
        make: from a draw to the returned models' logits, shape (N, n + m, C).
        left: share of the forgotten examples that are wholly remembered; None where the failure is another one.
        wrong: words that would be false claims, whatever N.
    """

    name: str
    make: Callable[[World, np.random.Generator], Logits]
    left: float | None = None
    wrong: tuple[VerdictLevel, ...] = ()


def remembered(world: World, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose the examples that are wholly remembered, at random."""
    return np.sort(rng.permutation(world.forget)[: round(share * world.forget)])


def _left(share: float) -> Callable[[World, np.random.Generator], Logits]:
    """Keep a share of the examples as the same original has them, the others as retrained models."""

    def make(world: World, rng: np.random.Generator) -> Logits:
        chosen = remembered(world, share, rng)
        models = world.logits["fresh"].copy()
        models[:, chosen] = world.logits["original"][:, chosen]
        return np.asarray(models)

    return make


def shifted(logits: Logits, world: World, amounts: Values) -> Logits:
    """Add to phi of forgotten examples, in standard deviations; ``amounts`` is one number a model, shape (N,) or ()."""
    rows = np.arange(world.forget)
    models = logits.copy()
    models[:, rows, world.labels[rows]] += (np.atleast_1d(amounts)[:, None] * world.deviation).astype(np.float32)
    return np.asarray(models)


def _shifted(amount: float) -> Callable[[World, np.random.Generator], Logits]:
    return lambda world, _: shifted(world.logits["fresh"], world, np.array(amount))


def _halves(world: World, _: np.random.Generator) -> Logits:
    signs = np.where(np.arange(world.models) < world.models // 2, 1.5, -1.5)
    return shifted(world.logits["fresh"], world, signs)


def _heavy_scale(world: World, rng: np.random.Generator) -> Logits:
    """Scale the originals' logits by 0.55, and those of one model in sixteen by 10,000."""
    scales = np.full((world.models, 1, 1), 0.55, dtype=np.float32)
    scales[rng.permutation(world.models)[: max(1, world.models // 16)]] = 1e4
    return world.logits["original"] * scales


def _half_untouched(world: World, _: np.random.Generator) -> Logits:
    half = world.models // 2
    return np.concatenate([world.logits["original"][:half], world.logits["fresh"][half:]])


def _one_model(world: World, _: np.random.Generator) -> Logits:
    return np.repeat(world.logits["fresh"][:1], world.models, axis=0)


def _scaled(factor: float) -> Callable[[World, np.random.Generator], Logits]:
    return lambda world, _: world.logits["original"] * np.float32(factor)


NOTHING_LEFT = Submission(
    "nothing left",
    lambda world, _: world.logits["fresh"],
    left=0.0,
    wrong=("partial", "none", "over_forgetting", "mixed", "another_model"),
)
LEFT = tuple(
    Submission(f"{share:.0%} of examples left".replace("%", " %"), _left(share), left=share, wrong=("over_forgetting",))
    for share in (0.01, 0.02, 0.05, 0.1, 0.2)
)
UNTOUCHED = Submission("nothing done", lambda world, _: world.logits["original"], left=1.0, wrong=FAVOURABLE)
OTHERS = (
    *(
        Submission(f"all shifted by {amount} sd", _shifted(amount), wrong=("over_forgetting",))
        for amount in (0.1, 0.2, 0.4)
    ),
    Submission("over-forgotten by 0.5 sd", _shifted(-0.5), wrong=("as_retrained", "partial", "none")),
    Submission("half the models +1.5 sd, half -1.5 sd", _halves, wrong=FAVOURABLE),
    Submission("originals x .55, one in 16 x 10,000", _heavy_scale, wrong=(*FAVOURABLE, "over_forgetting")),
    Submission("originals x .4", _scaled(0.4), wrong=(*FAVOURABLE, "over_forgetting")),
    Submission("originals x .2", _scaled(0.2), wrong=(*FAVOURABLE, "over_forgetting")),
    Submission("one retrained model N times", _one_model, wrong=("as_retrained", "partial", "none")),
    Submission("half the models untouched", _half_untouched, wrong=("as_retrained", "over_forgetting")),
)
ALL = (NOTHING_LEFT, *LEFT, UNTOUCHED, *OTHERS)
TENTH_LEFT = next(one for one in LEFT if one.left == 0.1)
