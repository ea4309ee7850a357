"""The classes that a task's corrupted labels confuse, and how much a model confuses them.

Source: Goel et al., "Towards Adversarial Evaluations for Inexact Machine Unlearning" (2022), the Interclass Confusion
test: C[A, B] + C[B, A] of the confusion matrix, on the forgotten examples (memorisation) and on unseen ones (property
generalisation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, SplitName

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
Answers = NDArray[np.integer]


@dataclass(frozen=True)
class Confused:
    """The corrupted labels of a forget set.

    Attributes:
        rows: positions of the forgotten examples with a wrong label, shape (k,), k >= 1.
        wrong: the label that each of them was trained with, shape (k,).
        true: its true class, shape (k,).
        pairs: True for classes that are confused by at least one example, shape (C, C), symmetric, False on the diagonal.
    """

    rows: Labels
    wrong: Labels
    true: Labels
    pairs: NDArray[np.bool_]

    @property
    def classes(self) -> Labels:
        """Return the classes of any pair, ascending."""
        return np.flatnonzero(self.pairs.any(axis=0))


def confused(evidence: Evidence) -> Confused | None:
    """Return the corrupted labels of the forget set; None if no label is wrong.

    A pair of classes is confused if a forgotten example of one was trained as the other. Two swapped classes are one pair;
    labels drawn at random give all pairs that an example happened to hit.
    """
    true, labels = evidence.true_labels.get("forget"), evidence.labels["forget"]
    rows = np.zeros(0, dtype=np.int64) if true is None else np.flatnonzero(labels != true)
    if true is None or len(rows) == 0:
        return None
    pairs = np.zeros((evidence.n_classes, evidence.n_classes), dtype=np.bool_)
    pairs[true[rows], labels[rows]] = pairs[labels[rows], true[rows]] = True
    return Confused(rows, labels[rows], true[rows], pairs)


def true_labels(evidence: Evidence, split: SplitName) -> Labels:
    """Return the true classes of a split, whether or not its labels were corrupted, shape (n,)."""
    return evidence.true_labels.get(split, evidence.labels[split])


def share_answered(given: Answers, rows: Labels, wanted: Labels) -> Values:
    """Return, per model, the share of the examples at ``rows`` that are predicted as ``wanted``; (N, n) to (N,)."""
    return np.asarray((given[:, rows] == wanted).mean(axis=1))


def share_confused(given: Answers, true: Labels, pairs: NDArray[np.bool_]) -> Values:
    """Return, per model, the share of examples of confused classes predicted as the other class of a pair; (N, n) to (N,).

    For one pair (A, B) that is (C[A, B] + C[B, A]) / (number of examples of A and of B), C the confusion matrix. At least one
    example must be of such a class.
    """
    rows = np.flatnonzero(np.isin(true, np.flatnonzero(pairs.any(axis=0))))
    return np.asarray(pairs[true[rows], given[:, rows]].mean(axis=1))


def matrix(given: Answers, true: Labels, classes: Labels) -> Values:
    """Return the confusion matrix among ``classes``, mean over models; shape (k, k) for predictions of shape (N, n).

    Row r, column c: the share of examples of class r that are predicted as class c; rows of classes without an example are 0.
    Predictions outside ``classes`` are in no column, so a row may sum to less than 1.
    """
    found = np.zeros((len(classes), len(classes)))
    for row, label in enumerate(classes):
        own = given[:, true == label]
        if own.size:
            found[row] = [(own == answer).mean() for answer in classes]
    return found
