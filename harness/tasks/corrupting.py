"""Training labels that a task makes wrong on purpose, so that a method can be asked to undo what they taught.

As elsewhere, every choice depends on its seed and the example ids alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from harness.errors import DatasetInvalidError
from harness.tasks import schema, splitting
from harness.tasks.model import Split

_WHICH = "corrupt"
_TO = "corrupt to"


def corrupted(train: Split, rule: schema.Corrupt | None, class_names: tuple[str, ...]) -> Split:
    """The training set with some labels made wrong and the right ones kept as ``true_labels``; as it is without a rule.

    Raises:
        DatasetInvalidError: a class that does not exist, or fewer examples than the rule asks for.
    """
    if rule is None:
        return train
    if isinstance(rule, schema.CorruptSwap):
        return _swapped(train, rule, class_names)
    return _relabelled(train, rule, len(class_names))


def corrupted_examples(train: Split) -> splitting.Index:
    """Positions of the examples whose label is wrong.

    Raises:
        DatasetInvalidError: the task corrupted no label.
    """
    if train.true_labels is None:
        raise DatasetInvalidError("forget.by: corrupted needs a task with a corrupt section; add one")
    return np.flatnonzero(train.labels != train.true_labels)


def _swapped(train: Split, rule: schema.CorruptSwap, class_names: tuple[str, ...]) -> Split:
    """A share of the examples of each of two classes gets the other's label.

    Source: Goel et al., "Towards Adversarial Evaluations for Inexact Machine Unlearning" (2022), the Interclass
    Confusion test.
    """
    one, other = (splitting.class_number(name, class_names, what="corrupt.classes") for name in rule.classes)
    if one == other:
        raise DatasetInvalidError(f"corrupt.classes: both are {class_names[one]!r}; name two different classes")
    labels = train.labels.copy()
    for here, there in ((one, other), (other, one)):
        members = np.flatnonzero(train.labels == here)
        what = f"corrupt: class {class_names[here]!r}"
        count = splitting.amount_of(rule.amount or 0, len(members), what=what)
        order = splitting.seeded_order(train.ids[members], seed=rule.seed, purpose=_WHICH)
        labels[members[order[:count]]] = there
    return replace(train, labels=labels, true_labels=train.labels)


def _relabelled(train: Split, rule: schema.CorruptRandom, n_classes: int) -> Split:
    """A share of all examples gets the label of another class, each of the others being as likely."""
    chosen = splitting.pick(train.ids, rule.amount or 0, seed=rule.seed, purpose=_WHICH)
    labels = train.labels.copy()
    for position in chosen.tolist():
        digest = hashlib.sha256(f"{_TO}:{rule.seed}:{train.ids[position]}".encode()).digest()
        step = 1 + int.from_bytes(digest[:16], "big") % (n_classes - 1)
        labels[position] = (labels[position] + step) % n_classes
    return replace(train, labels=labels, true_labels=train.labels)
