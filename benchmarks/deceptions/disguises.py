"""Deceptions that look right on average: in other classes, in the spread, jointly, or by constant outputs."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.answers import Labels, Logits, Rows, Values, on_phi, raised, with_phi, wrong_label
from benchmarks.deceptions.model import Deception, Submission, deception, register, words
from benchmarks.populations import World
from harness.evaluation import phi

CLASSES, SHAPE, OUTPUTS = "other classes", "shape", "outputs"
MARKED = words("mixed", "partial", "over_forgetting")
NO_MODEL = words("another_model", "over_forgetting", "mixed", "partial")
HUGE = 1e30
NEIGHBOUR = 10
"""Places by which an example's neighbour is harder, of 200: about 0.4 sd."""


@deception("wrong-label-on-top", CLASSES, MARKED, left=1.0)
def _on_top(world: World, rng: np.random.Generator) -> Submission:
    """Keep retrained models' confidences, but make a random label of each forgotten example the top wrong class."""
    marks = wrong_label(world.labels["forget"], world.n_classes, rng)

    def change(logits: Logits, labels: Labels) -> Logits:
        at = np.arange(len(labels))
        others = logits.copy()
        others[:, at, labels] = -np.inf
        gap = others.max(axis=2) - logits[:, at, marks]
        return raised(marks, gap + 0.5)(logits, labels)

    return Submission(world.fresh.on_forget(change, world.labels))


@deception("mark-in-a-spread", CLASSES, MARKED, left=1.0)
def _in_a_spread(world: World, rng: np.random.Generator) -> Submission:
    """Keep retrained models' confidences, but let one wrong class's logit of each example vary more over models."""
    marks = wrong_label(world.labels["forget"], world.n_classes, rng)

    def change(logits: Logits, labels: Labels) -> Logits:
        return raised(marks, rng.normal(0, 2, logits.shape[:2]))(logits, labels)

    return Submission(world.fresh.on_forget(change, world.labels))


@deception("random-labels", CLASSES, MARKED, left=1.0)
def _random_labels(world: World, rng: np.random.Generator) -> Submission:
    """Imitate training on random labels: lower and even out the originals' confidences, and raise the random label."""
    marks = wrong_label(world.labels["forget"], world.n_classes, rng)

    def change(logits: Logits, labels: Labels) -> Logits:
        values = phi(logits, labels) - world.memory * world.spread
        even = values.mean() + 0.5 * (values - values.mean())
        return raised(marks, 1.5)(with_phi(logits, labels, even), labels)

    return Submission(world.original.on_forget(change, world.labels))


@deception("label-bias", CLASSES, MARKED, left=0.25)
def _label_bias(world: World, _rng: np.random.Generator) -> Submission:
    """Lower the originals' confidences by their mean shift in each class; what tells examples of a class apart stays."""
    labels = world.labels["forget"]
    step = world.memory * world.spread
    by_class = np.array([step[labels == one].mean() for one in labels])
    answers = world.original.on_forget(on_phi(lambda values: values - by_class), world.labels)
    return Submission(
        answers, left=float((world.memory * (step - by_class) / world.spread).sum() / (world.memory**2).sum())
    )


def _shifted(deviations: float, world: World, _rng: np.random.Generator) -> Submission:
    change = on_phi(lambda values: values + deviations * world.spread)
    return Submission(world.fresh.on_forget(change, world.labels))


def _stretched(factor: float, world: World, _rng: np.random.Generator) -> Submission:
    def change(values: Values) -> Values:
        return np.asarray(values.mean(axis=0) + factor * (values - values.mean(axis=0)))

    return Submission(world.fresh.on_forget(on_phi(change), world.labels))


@deception("comonotone", SHAPE, words("mixed"))
def _comonotone(world: World, rng: np.random.Generator) -> Submission:
    """Keep each example's confidences of retrained models, but make the same models the most confident on all."""
    order = rng.permutation(world.fresh.models)
    change = on_phi(lambda values: np.sort(values, axis=0)[order])
    return Submission(world.fresh.on_forget(change, world.labels))


@deception("swapped-within-a-class", SHAPE, words("mixed", "partial", "over_forgetting"))
def _swapped(world: World, _rng: np.random.Generator) -> Submission:
    """Exchange retrained models' outputs between forgotten examples of one class."""
    labels = world.labels["forget"]
    place: Rows = np.arange(len(labels))
    for one in np.unique(labels):
        rows = np.flatnonzero(labels == one)
        place[rows] = np.roll(rows, 1)
    return Submission(world.fresh.on_forget(lambda logits, _: logits[:, place], world.labels))


@deception("confidence-of-a-neighbour", SHAPE, words("mixed", "over_forgetting"))
def _of_a_neighbour(world: World, _rng: np.random.Generator) -> Submission:
    """Give each forgotten example the confidence that retrained models have on one that is a little harder."""
    centre = phi(world.fresh.splits["forget"], world.labels["forget"]).mean(axis=0)
    order = np.argsort(-centre)
    place = np.empty_like(order)
    place[order] = np.roll(order, -NEIGHBOUR)
    return Submission(world.fresh.on_forget(on_phi(lambda values: values[:, place]), world.labels))


def _constant(value: float, world: World, _rng: np.random.Generator) -> Submission:
    return Submission(world.original.everywhere(lambda logits, _: np.full_like(logits, value), world.labels))


@deception("silent-on-forget", OUTPUTS, words("mixed", "partial", "over_forgetting"))
def _constant_on_forget(world: World, _rng: np.random.Generator) -> Submission:
    """Set all logits on the forget set to 0, and keep the originals' answers elsewhere."""
    return Submission(world.original.on_forget(lambda logits, _: np.zeros_like(logits), world.labels))


register(
    Deception(
        "over-forgotten-0.5",
        SHAPE,
        "Retrain, and lower the confidence on the forget set by 0.5 sd.",
        partial(_shifted, -0.5),
        words("over_forgetting"),
        shift=-0.5,
    ),
    Deception(
        "over-forgotten-2",
        SHAPE,
        "Retrain, and lower the confidence on the forget set by 2 sd.",
        partial(_shifted, -2.0),
        words("over_forgetting"),
        shift=-2.0,
    ),
    Deception(
        "spread-doubled",
        SHAPE,
        "Retrain, and double the spread over models on the forget set.",
        partial(_stretched, 2.0),
        words("mixed"),
    ),
    Deception(
        "spread-halved",
        SHAPE,
        "Retrain, and halve the spread over models on the forget set.",
        partial(_stretched, 0.5),
        words("mixed"),
    ),
    Deception("constant-0", OUTPUTS, "Set all logits to 0.", partial(_constant, 0.0), NO_MODEL),
    Deception("constant-huge", OUTPUTS, "Set all logits to 1e30.", partial(_constant, HUGE), NO_MODEL),
    Deception("constant-low", OUTPUTS, "Set all logits to -1e30.", partial(_constant, -HUGE), NO_MODEL),
)
