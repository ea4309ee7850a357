"""Forgotten and unseen examples of the same classes, in halves: attacks are fitted on one half and scored on the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence

Values = NDArray[np.float64]
Order = NDArray[np.int64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """Examples of one split.

    Attributes:
        rows: row numbers in the split, shape (n,); only examples of classes that both splits hold.
        labels: their true classes, shape (n,).
        halves: 0 or 1 for each, a random half of every class, shape (n,).
        weights: shape (2, n): row h weighs the examples of half h, summing to 1, and is 0 elsewhere.
    """

    rows: Order
    labels: Labels
    halves: Order
    weights: Values

    def by_halves(self) -> Side:
        """Return the same examples, those of half 0 first."""
        order = np.argsort(self.halves, kind="stable")
        return Side(self.rows[order], self.labels[order], self.halves[order], self.weights[:, order])

    def of_half(self, half: int) -> slice:
        """Return the slice of a half's examples; they must be sorted by half."""
        first = int((self.halves < half).sum())
        return slice(first, first + int((self.halves == half).sum()))


@dataclass(frozen=True)
class Examples:
    """The examples of an attack.

    Attributes:
        forgotten: examples of the forget set, equally weighted.
        unseen: examples of the test set, weighted so that each class has the weight it has among the forgotten examples.
    """

    forgotten: Side
    unseen: Side


def matched(evidence: Evidence, rng: np.random.Generator) -> Examples | None:
    """Return the examples of classes that forget and test set have in common; None if a half would be empty."""
    classes = np.intersect1d(evidence.labels["forget"], evidence.labels["test"])
    parts = []
    for split in ("forget", "test"):
        rows = np.flatnonzero(np.isin(evidence.labels[split], classes)).astype(np.int64)
        labels = evidence.labels[split][rows]
        parts.append((rows, labels, _halves(evidence.ids[split][rows], labels, rng)))
    (rows, labels, halves), (other_rows, other_labels, other_halves) = parts
    if min(len(rows), len(other_rows)) < 2:
        return None
    weights, other_weights = np.zeros((2, len(rows))), np.zeros((2, len(other_rows)))
    for half in range(2):
        target = labels[halves == half]
        weights[half, halves == half] = 1 / len(target)
        other_weights[half, other_halves == half] = class_weights(target, other_labels[other_halves == half])
    if other_weights.sum(axis=1).min() == 0:
        return None
    return Examples(Side(rows, labels, halves, weights), Side(other_rows, other_labels, other_halves, other_weights))


def class_weights(target: Labels, labels: Labels) -> Values:
    """Return weights of examples with ``labels``, summing to 1, that give every class its share in ``target``.

    Classes of ``target`` without an example in ``labels`` have no weight, which the others share. Without a common class
    all weights are 0.
    """
    size = int(max(target.max(initial=0), labels.max(initial=0))) + 1
    wanted, there = np.bincount(target, minlength=size), np.bincount(labels, minlength=size)
    weights = (wanted / np.maximum(there, 1))[labels]
    total = weights.sum()
    return np.asarray(weights / total if total > 0 else weights)


def warning(evaluator: str, evidence: Evidence) -> tuple[str, ...]:
    """Return a warning if classes of the forget set are missing in the test set."""
    missing = np.setdiff1d(evidence.labels["forget"], evidence.labels["test"])
    if not missing.size:
        return ()
    share = float(np.isin(evidence.labels["forget"], missing).mean())
    text = f"{evaluator}: {share:.0%} of the forget set belongs to classes that are missing in the test set, and is ignored."
    return (text,)


def _halves(ids: NDArray[np.str_], labels: Labels, rng: np.random.Generator) -> Order:
    """Return 0 or 1 for each example, a random half of each class, independent of storage order, shape (n,)."""
    order = np.argsort(ids, kind="stable")[rng.permutation(len(ids))]
    by_class = order[np.argsort(labels[order], kind="stable")]
    found = np.zeros(len(ids), dtype=np.int64)
    found[by_class] = np.arange(len(ids)) % 2
    return found
