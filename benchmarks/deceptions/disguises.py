"""Deceptions that look right on average: in other classes, in the spread, jointly, or by constant outputs."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.answers import Labels, Logits, Rows, Values, on_phi, raised, with_phi, wrong_label
from benchmarks.deceptions.model import Deception, Submission, words
from benchmarks.populations import World
from harness.evaluation import phi

CLASSES, SHAPE, OUTPUTS = "other classes", "shape", "outputs"
MARKED = words("mixed", "partial", "over_forgetting")
HUGE = 1e30
NEIGHBOUR = 10
"""Places by which an example's neighbour is harder, of 200: about 0.4 sd."""


def _on_top(world: World, rng: np.random.Generator) -> Submission:
    """Raise each forgotten example's mark above all other wrong classes; phi stays."""
    marks = wrong_label(world.labels["forget"], world.n_classes, rng)

    def change(logits: Logits, labels: Labels) -> Logits:
        at = np.arange(len(labels))
        others = logits.copy()
        others[:, at, labels] = -np.inf
        gap = others.max(axis=2) - logits[:, at, marks]
        return raised(marks, gap + 0.5)(logits, labels)

    return Submission(world.fresh.on_forget(change, world.labels))


def _in_a_spread(world: World, rng: np.random.Generator) -> Submission:
    """Hide the mark in the spread of one wrong class's logit over models; keep its mean and phi."""
    marks = wrong_label(world.labels["forget"], world.n_classes, rng)

    def change(logits: Logits, labels: Labels) -> Logits:
        return raised(marks, rng.normal(0, 2, logits.shape[:2]))(logits, labels)

    return Submission(world.fresh.on_forget(change, world.labels))


def _random_labels(world: World, rng: np.random.Generator) -> Submission:
    """Imitate training on random labels: average confidence near the retrained models', too even, and the label."""
    marks = wrong_label(world.labels["forget"], world.n_classes, rng)

    def change(logits: Logits, labels: Labels) -> Logits:
        values = phi(logits, labels) - world.memory * world.spread
        even = values.mean() + 0.5 * (values - values.mean())
        return raised(marks, 1.5)(with_phi(logits, labels, even), labels)

    return Submission(world.original.on_forget(change, world.labels))


def _label_bias(world: World, _rng: np.random.Generator) -> Submission:
    """Lower each class's confidences by their mean shift; what distinguishes examples within a class stays."""
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


def _comonotone(world: World, rng: np.random.Generator) -> Submission:
    """Each example's confidences are those of retrained models; their order over models is the same for all examples."""
    order = rng.permutation(world.fresh.models)
    change = on_phi(lambda values: np.sort(values, axis=0)[order])
    return Submission(world.fresh.on_forget(change, world.labels))


def _swapped(world: World, _rng: np.random.Generator) -> Submission:
    """Exchange the outputs of forgotten examples within their class, in a circle."""
    labels = world.labels["forget"]
    place: Rows = np.arange(len(labels))
    for one in np.unique(labels):
        rows = np.flatnonzero(labels == one)
        place[rows] = np.roll(rows, 1)
    return Submission(world.fresh.on_forget(lambda logits, _: logits[:, place], world.labels))


def _of_a_neighbour(world: World, _rng: np.random.Generator) -> Submission:
    """Copy the confidence of an example that is a little harder."""
    centre = phi(world.fresh.splits["forget"], world.labels["forget"]).mean(axis=0)
    order = np.argsort(-centre)
    place = np.empty_like(order)
    place[order] = np.roll(order, -NEIGHBOUR)
    return Submission(world.fresh.on_forget(on_phi(lambda values: values[:, place]), world.labels))


def _constant(value: float, world: World, _rng: np.random.Generator) -> Submission:
    return Submission(world.original.everywhere(lambda logits, _: np.full_like(logits, value), world.labels))


def _constant_on_forget(world: World, _rng: np.random.Generator) -> Submission:
    return Submission(world.original.on_forget(lambda logits, _: np.zeros_like(logits), world.labels))


NO_MODEL = words("another_model", "over_forgetting", "mixed", "partial")

DECEPTIONS = (
    Deception(
        "wrong-label-on-top",
        CLASSES,
        "Confidences are retrained models', but a random label of each forgotten example is always the top wrong class.",
        _on_top,
        MARKED,
        left=1.0,
    ),
    Deception(
        "mark-in-a-spread",
        CLASSES,
        "Confidences are retrained models', but one wrong class's logit of each forgotten example varies more over models.",
        _in_a_spread,
        MARKED,
        left=1.0,
    ),
    Deception(
        "random-labels",
        CLASSES,
        "As trained on random labels: the originals' confidences lowered and evened out, the random label raised.",
        _random_labels,
        MARKED,
        left=1.0,
    ),
    Deception(
        "label-bias",
        CLASSES,
        "The originals' confidences, less their mean shift in each class.",
        _label_bias,
        MARKED,
        left=0.25,
    ),
    Deception(
        "over-forgotten-0.5",
        SHAPE,
        "Retrained models, 0.5 sd less confident on the forget set.",
        partial(_shifted, -0.5),
        words("over_forgetting"),
        shift=-0.5,
    ),
    Deception(
        "over-forgotten-2",
        SHAPE,
        "Retrained models, 2 sd less confident on the forget set.",
        partial(_shifted, -2.0),
        words("over_forgetting"),
        shift=-2.0,
    ),
    Deception(
        "spread-doubled",
        SHAPE,
        "Retrained models, with twice the spread over models on the forget set.",
        partial(_stretched, 2.0),
        words("mixed"),
    ),
    Deception(
        "spread-halved",
        SHAPE,
        "Retrained models, with half the spread over models on the forget set.",
        partial(_stretched, 0.5),
        words("mixed"),
    ),
    Deception(
        "comonotone",
        SHAPE,
        "Each example's confidences are retrained models', but the same models are the most confident on all examples.",
        _comonotone,
        words("mixed"),
    ),
    Deception(
        "swapped-within-a-class",
        SHAPE,
        "Retrained models' outputs, exchanged between forgotten examples of one class.",
        _swapped,
        words("mixed", "partial", "over_forgetting"),
    ),
    Deception(
        "confidence-of-a-neighbour",
        SHAPE,
        "Each forgotten example has the confidence that retrained models have on one that is a little harder.",
        _of_a_neighbour,
        words("mixed", "over_forgetting"),
    ),
    Deception("constant-0", OUTPUTS, "All logits are 0.", partial(_constant, 0.0), NO_MODEL),
    Deception("constant-huge", OUTPUTS, "All logits are 1e30.", partial(_constant, HUGE), NO_MODEL),
    Deception("constant-low", OUTPUTS, "All logits are -1e30.", partial(_constant, -HUGE), NO_MODEL),
    Deception(
        "silent-on-forget",
        OUTPUTS,
        "All logits on the forget set are 0; the originals' answers elsewhere.",
        _constant_on_forget,
        words("mixed", "partial", "over_forgetting"),
    ),
)
