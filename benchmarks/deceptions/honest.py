"""Honest submissions that look odd: none was ever trained on the forget set."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.answers import Answers, Logits, Rows, on_phi, scaled
from benchmarks.deceptions.model import Deception, Make, Submission, words
from benchmarks.populations import World
from harness.report.document import VerdictLevel

FAMILY = "honest"
RETRAINED: tuple[VerdictLevel, ...] = ("as_retrained", "no_difference_seen", "unclear")
ODD: tuple[VerdictLevel, ...] = (*RETRAINED, "another_model")


def _fresh(world: World, _rng: np.random.Generator) -> Submission:
    return Submission(world.fresh)


def _fitted(slope: float, fall: float, world: World, _rng: np.random.Generator) -> Submission:
    """Scale every confidence linearly, equally on all splits: a model that was fitted more, or less."""
    return Submission(world.fresh.everywhere(on_phi(lambda values: slope * values - fall), world.labels))


def _less_data(world: World, rng: np.random.Generator) -> Submission:
    """Weaker on all splits, and most on retained examples, half of which it never saw."""
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


def _dropout(world: World, rng: np.random.Generator) -> Submission:
    noise = on_phi(lambda values: values + rng.normal(0, 0.4, values.shape))
    return Submission(world.fresh.everywhere(noise, world.labels))


def _ensemble(world: World, _rng: np.random.Generator) -> Submission:
    """Average pairs of fresh models, and compare the remaining half with equally many retrained models."""
    models = world.fresh.models // 2
    first, second = (world.fresh.take(np.arange(start, 2 * models, 2)) for start in (0, 1))
    rows: Rows = np.arange(models, dtype=np.int64)
    cut = replace(world, **{name: getattr(world, name).take(rows) for name in ("original", "retrained", "control")})
    return Submission(first.beside(second, _mean), world=cut)


def _mean(first: Logits, second: Logits) -> Logits:
    return np.asarray((first + second) / 2, dtype=np.float32)


def _half_precision(world: World, _rng: np.random.Generator) -> Submission:
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


def _few_failures(world: World, rng: np.random.Generator) -> Submission:
    models = world.fresh.models
    rows: Rows = np.sort(rng.permutation(models)[: models - models // 16]).astype(np.int64)
    return Submission(world.fresh.take(rows), rows)


def _one(name: str, text: str, make: Make, levels: tuple[VerdictLevel, ...]) -> Deception:
    return Deception(name, FAMILY, text, make, words(*levels), honest=True)


DECEPTIONS = (
    _one("retrained", "Freshly retrained models.", _fresh, RETRAINED),
    _one(
        "retrained-15-percent",
        "Retrained for 15 % of the epochs: every confidence is nearer to chance, on all splits.",
        partial(_fitted, 0.5, 0.8),
        ODD,
    ),
    _one("retrained-50-percent", "Retrained for half of the epochs.", partial(_fitted, 0.8, 0.3), ODD),
    _one(
        "retrained-longer", "Retrained for longer: every confidence is more extreme.", partial(_fitted, 1.2, 0.0), ODD
    ),
    _one(
        "weight-decay", "Retrained with weight decay: every logit is a little smaller.", partial(_temperature, 0.9), ODD
    ),
    _one(
        "other-batch-size",
        "Retrained with another batch size: a tenth more spread everywhere.",
        partial(_spread, 1.1),
        ODD,
    ),
    _one("dropout", "Retrained with dropout left on: noise of 0.4 on every confidence.", _dropout, ODD),
    _one("ensemble-of-2", "The mean of two retrained models' logits; half as many models.", _ensemble, ODD),
    _one("half-the-data", "Retrained with half of the retain set: weaker on all splits.", _less_data, ODD),
    _one(
        "label-smoothing",
        "Retrained with label smoothing: all logits are multiplied by 0.6.",
        partial(_temperature, 0.6),
        ODD,
    ),
    _one("half-precision", "Freshly retrained models that answer in half precision.", _half_precision, RETRAINED),
    _one(
        "half-the-control",
        "Freshly retrained models beside half as many control models.",
        partial(_control_of, 0.5),
        RETRAINED,
    ),
    _one(
        "twice-the-control",
        "Half as many freshly retrained models beside all control models.",
        partial(_control_of, 2.0),
        RETRAINED,
    ),
    _one(
        "few-failures", "Freshly retrained models, of which one in sixteen failed at random.", _few_failures, RETRAINED
    ),
)
