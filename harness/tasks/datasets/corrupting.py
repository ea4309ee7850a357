"""Deliberate corruption of training labels, to test whether a method can remove mislabelled data.

Every choice depends only on its seed and the example ids.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from harness.errors import DatasetInvalidError
from harness.tasks import forget_sections, splitting
from harness.tasks.task import Split

_WHICH = "corrupt"
_TO = "corrupt to"


def corrupted(train: Split, rule: forget_sections.Corrupt | None, class_names: tuple[str, ...]) -> Split:
    """Return the training set with corrupted labels and the true ones as ``true_labels``; unchanged without a rule.

    Raises:
        DatasetInvalidError: a class does not exist, or there are fewer examples than the rule requires.
    """
    if rule is None:
        return train
    if isinstance(rule, forget_sections.CorruptSwap):
        return _swapped(train, rule, class_names)
    return _relabelled(train, rule, len(class_names))


def corrupted_examples(train: Split) -> splitting.Index:
    """Return the positions of the examples with a wrong label.

    Raises:
        DatasetInvalidError: the task corrupts no labels.
    """
    if train.true_labels is None:
        raise DatasetInvalidError("forget.by: corrupted needs a task with a corrupt section; add one")
    return np.flatnonzero(train.labels != train.true_labels)


def _swapped(train: Split, rule: forget_sections.CorruptSwap, class_names: tuple[str, ...]) -> Split:
    """Return the split with a share of the labels of each of two classes changed to the other class.

    Source: Goel et al., "Towards Adversarial Evaluations for Inexact Machine Unlearning" (2022), the Interclass
    Confusion test.
    """
    first, second = (splitting.class_number(name, class_names, what="corrupt.classes") for name in rule.classes)
    if first == second:
        raise DatasetInvalidError(f"corrupt.classes: both are {class_names[first]!r}; name two different classes")
    labels = train.labels.copy()
    for here, there in ((first, second), (second, first)):
        members = np.flatnonzero(train.labels == here)
        what = f"corrupt: class {class_names[here]!r}"
        count = splitting.amount_of(rule.amount or 0, len(members), what=what)
        order = splitting.seeded_order(train.ids[members], seed=rule.seed, purpose=_WHICH)
        labels[members[order[:count]]] = there
    return replace(train, labels=labels, true_labels=train.labels)


def _relabelled(train: Split, rule: forget_sections.CorruptRandom, n_classes: int) -> Split:
    """Return the split with a share of all labels changed to another class, drawn uniformly."""
    chosen = splitting.pick(train.ids, rule.amount or 0, seed=rule.seed, purpose=_WHICH)
    labels = train.labels.copy()
    for position in chosen.tolist():
        digest = hashlib.sha256(f"{_TO}:{rule.seed}:{train.ids[position]}".encode()).digest()
        step = 1 + int.from_bytes(digest[:16], "big") % (n_classes - 1)
        labels[position] = (labels[position] + step) % n_classes
    return replace(train, labels=labels, true_labels=train.labels)
