"""Honest submissions that look odd: none was ever trained on the forget set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.answers import Answers, Logits, Rows, on_phi, scaled
from benchmarks.deceptions.model import Deception, Make, Submission, deception, register, words
from benchmarks.populations import World
from harness.report.document import VerdictLevel

FAMILY = "honest"
RETRAINED: tuple[VerdictLevel, ...] = ("as_retrained", "no_difference_seen", "unclear")
ODD: tuple[VerdictLevel, ...] = (*RETRAINED, "another_model")


def _honest(name: str, levels: tuple[VerdictLevel, ...]) -> Callable[[Make], Make]:
    return deception(name, FAMILY, words(*levels), honest=True)


@_honest("retrained", RETRAINED)
def _fresh(world: World, _rng: np.random.Generator) -> Submission:
    """Retrain."""
    return Submission(world.fresh)


def _fitted(slope: float, fall: float, world: World, _rng: np.random.Generator) -> Submission:
    """Scale every confidence linearly, equally on all splits: a model that was fitted more, or less."""
    return Submission(world.fresh.everywhere(on_phi(lambda values: slope * values - fall), world.labels))


@_honest("half-the-data", ODD)
def _less_data(world: World, rng: np.random.Generator) -> Submission:
    """Retrain with half of the retain set: weaker on all splits, most on retained examples that were not seen."""
    seen = rng.random(len(world.labels["retain"])) < 0.5
    weaker = world.fresh.everywhere(on_phi(lambda values: values - 0.6), world.labels)
    unseen = on_phi(lambda values: np.where(seen, values, values - 3))
    splits = {**weaker.splits, "retain": unseen(weaker.splits["retain"], world.labels["retain"])}
    return Submission(Answers(splits, weaker.queries))


def _spread(factor: float, world: World, _rng: np.random.Generator) -> Submission:
    def change(
        values: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    ) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        return np.asarray(values.mean(axis=0) + factor * (values - values.mean(axis=0)))

    return Submission(world.fresh.everywhere(on_phi(change), world.labels))


def _temperature(factor: float, world: World, _rng: np.random.Generator) -> Submission:
    return Submission(world.fresh.everywhere(scaled(factor), world.labels))


@_honest("dropout", ODD)
def _dropout(world: World, rng: np.random.Generator) -> Submission:
    """Retrain with dropout left on: noise of 0.4 on every confidence."""
    noise = on_phi(lambda values: values + rng.normal(0, 0.4, values.shape))
    return Submission(world.fresh.everywhere(noise, world.labels))


@_honest("ensemble-of-2", ODD)
def _ensemble(world: World, _rng: np.random.Generator) -> Submission:
    """Average the logits of two retrained models; return half as many models, beside half as many retrained ones."""
    models = world.fresh.models // 2
    first, second = (world.fresh.take(np.arange(start, 2 * models, 2)) for start in (0, 1))
    rows: Rows = np.arange(models, dtype=np.int64)
    cut = replace(world, **{name: getattr(world, name).take(rows) for name in ("original", "retrained", "control")})
    return Submission(first.beside(second, _mean), world=cut)


def _mean(first: Logits, second: Logits) -> Logits:
    return np.asarray((first + second) / 2, dtype=np.float32)


@_honest("half-precision", RETRAINED)
def _half_precision(world: World, _rng: np.random.Generator) -> Submission:
    """Retrain, and answer in half precision."""
    return Submission(
        world.fresh.everywhere(lambda logits, _: logits.astype(np.float16).astype(np.float32), world.labels)
    )


def _control_of(share: float, world: World, _rng: np.random.Generator) -> Submission:
    """Compare with fewer control models; for a share above 1, compare fewer submitted models with all of them."""
    models = world.control.models
    few: Rows = np.arange(max(2, round(models * min(share, 1 / share))), dtype=np.int64)
    if share < 1:
        return Submission(world.fresh, world=replace(world, control=world.control.take(few)))
    cut = {name: getattr(world, name).take(few) for name in ("original", "retrained")}
    return Submission(world.fresh.take(few), world=replace(world, **cut))


@_honest("few-failures", RETRAINED)
def _few_failures(world: World, rng: np.random.Generator) -> Submission:
    """Retrain; one model in sixteen fails at random."""
    models = world.fresh.models
    rows: Rows = np.sort(rng.permutation(models)[: models - models // 16]).astype(np.int64)
    return Submission(world.fresh.take(rows), rows)


def _one(name: str, text: str, make: Make, levels: tuple[VerdictLevel, ...]) -> Deception:
    return Deception(name, FAMILY, text, make, words(*levels), honest=True)


register(
    _one(
        "retrained-15-percent",
        "Retrain for 15 % of the epochs: every confidence is nearer to chance, on all splits.",
        partial(_fitted, 0.5, 0.8),
        ODD,
    ),
    _one("retrained-50-percent", "Retrain for half of the epochs.", partial(_fitted, 0.8, 0.3), ODD),
    _one("retrained-longer", "Retrain for longer: every confidence is more extreme.", partial(_fitted, 1.2, 0.0), ODD),
    _one(
        "weight-decay", "Retrain with weight decay: every logit is a little smaller.", partial(_temperature, 0.9), ODD
    ),
    _one(
        "other-batch-size",
        "Retrain with another batch size: a tenth more spread everywhere.",
        partial(_spread, 1.1),
        ODD,
    ),
    _one(
        "label-smoothing",
        "Retrain with label smoothing: all logits are multiplied by 0.6.",
        partial(_temperature, 0.6),
        ODD,
    ),
    _one(
        "half-the-control",
        "Retrain, beside half as many control models.",
        partial(_control_of, 0.5),
        RETRAINED,
    ),
    _one(
        "twice-the-control",
        "Retrain half as many models, beside all control models.",
        partial(_control_of, 2.0),
        RETRAINED,
    ),
)
