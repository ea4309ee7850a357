"""A new linear head on frozen features of retained examples: linear discriminant analysis, in closed form.

With class means m_c, shares p_c and the covariance S within classes of the features, the logit of class c is
x' T m_c - m_c' T m_c / 2 + log p_c, where T is the inverse of (1 - g) S + g t I, t the mean variance and g = SHRINKAGE. The
covariance is that of retained examples alone, so that the head cannot learn the forget set.

Sources: Friedman, "Regularized Discriminant Analysis" (1989); a new linear head as a test of unlearning: arXiv 2604.08271.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from harness_evaluators.common import parallel
from harness_evaluators.common.evidence_analysis import phi_of

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Labels = NDArray[np.int64]

SHRINKAGE = 0.1
FEWEST = 2
"""Fewest retained examples of a class that the new head learns."""
LARGEST = 1e15
"""Largest feature; larger ones and those that are no numbers are cut to it."""
MOST_PHI = 30.0
"""Confidences are cut to this range: rounding limits them, and a single example must not dominate a mean."""


@dataclass(frozen=True)
class Refit:
    """Results of a model's new head on a split, for examples of classes that it learned.

    Attributes:
        accuracy: share classified correctly, shape (N,).
        phi: mean logit-scaled confidence, shape (N,).
    """

    accuracy: Values
    phi: Values


def learned(labels: Labels) -> Labels:
    """Return the classes that a head can learn from examples with these labels."""
    classes, counts = np.unique(labels, return_counts=True)
    return classes[counts >= FEWEST]


def refit(retain: Singles, labels: Labels, judged: Singles, judged_labels: Labels) -> Refit:
    """Fit a head for each model, and judge it.

    Args:
        retain: features of retained examples, shape (N, n, d).
        labels: their classes, shape (n,).
        judged: features of the examples to classify, shape (N, m, d).
        judged_labels: their classes, shape (m,); at least one is :func:`learned`.
    """
    classes = learned(labels)
    used, known = np.isin(labels, classes), np.isin(judged_labels, classes)
    targets, wanted = (np.searchsorted(classes, one) for one in (labels[used], judged_labels[known]))

    def of(model: int) -> tuple[float, float]:
        scores = _scores(retain[model, used], targets, judged[model, known], len(classes))
        accuracy = float((scores.argmax(axis=1) == wanted).mean())
        if len(classes) == 1:
            return accuracy, MOST_PHI
        return accuracy, float(np.clip(phi_of(scores[None].astype(np.float32), wanted), -MOST_PHI, MOST_PHI).mean())

    found = np.array(parallel.in_threads(of, range(len(retain))), dtype=np.float64).reshape(-1, 2)
    return Refit(found[:, 0], found[:, 1])


def _scores(train: Singles, labels: Labels, judged: Singles, classes: int) -> Values:
    """Return the logits of the new head, shape (m, classes)."""
    x, y = (bounded(one) for one in (train, judged))
    centre = x.mean(axis=0)
    x, y = x - centre, y - centre
    scale = np.sqrt((x**2).mean()) or 1.0
    x, y = x / scale, y / scale
    if x.shape[1] > len(x):  # the discriminants lie in the span of the training examples
        span = np.linalg.svd(x, full_matrices=False)[2]
        x, y = x @ span.T, y @ span.T
    indicator = np.eye(classes)[labels]
    counts = indicator.sum(axis=0)
    means = indicator.T @ x / counts[:, None]
    within = x - means[labels]
    covariance = np.einsum("nd,ne->de", within, within) / max(
        1, len(x) - classes
    )  # BLAS threads would contend with ours
    variance = float(np.trace(covariance)) / len(covariance)
    shrunk = (1 - SHRINKAGE) * covariance + (SHRINKAGE * variance + 1e-9) * np.eye(len(covariance))
    weights = cho_solve(cho_factor(shrunk), means.T)
    offsets = np.log(counts / counts.sum()) - 0.5 * np.einsum("cd,dc->c", means, weights)
    return np.asarray(y @ weights + offsets)


def bounded(features: Singles) -> Values:
    """Return features in double precision, without infinite ones and NaN."""
    exact = np.asarray(features, dtype=np.float64)
    if exact.max(initial=0) <= LARGEST and exact.min(initial=0) >= -LARGEST:  # False for NaN
        return exact
    return np.clip(np.nan_to_num(exact, nan=0.0, posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST)
