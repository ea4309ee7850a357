"""Membership inference by thresholds on confidence, entropy and modified entropy, fitted on shadow models.

Source: Song and Mittal, "Systematic evaluation of privacy risks of machine learning models" (2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._examples import Examples

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
Folds = NDArray[np.int64]

FEATURES = ("confidence", "entropy", "modified_entropy")

MIN_PER_CLASS = 10
"""Fewest forgotten and unseen examples for a class to have a threshold of its own; below, the common one is taken."""

MAX_SHADOWS = 32
"""Most models that thresholds are fitted on: beyond, they depend on the examples, not on the number of models."""

_BLOCK = 500_000
"""Most logits at once; so many stay near the processor."""


def features(logits: NDArray[np.floating], labels: Labels) -> Values:
    """Scores that are higher for members, shape (3, N, n), in the order of FEATURES, from logits of shape (N, n, C).

    They are log p_y - log(1 - p_y), which orders as the confidence p_y does but keeps apart what rounds to 1; the
    negative entropy sum_k p_k log p_k; and the negative modified entropy (1 - p_y) log p_y + sum_{k != y} p_k log(1 -
    p_k).
    """
    step = max(1, _BLOCK // max(1, logits.shape[1] * logits.shape[2]))
    blocks = [_features(logits[i : i + step], labels) for i in range(0, len(logits), step)]
    return np.concatenate(blocks, axis=1)


def _features(logits: NDArray[np.floating], labels: Labels) -> Values:
    log_p, log_rest = _log_posteriors(np.asarray(logits, dtype=np.float64))
    index = np.broadcast_to(labels[None, :, None], (*log_p.shape[:2], 1))
    true, rest = (np.take_along_axis(one, index, axis=2) for one in (log_p, log_rest))
    p = np.exp(log_p)
    entropy = np.einsum("mnc,mnc->mn", p, log_p)
    np.put_along_axis(p, index, 0.0, axis=2)
    others = np.einsum("mnc,mnc->mn", p, log_rest)
    modified = (np.exp(rest) * true)[..., 0] + others
    return np.stack([(true - rest)[..., 0], entropy, modified])


def _log_posteriors(z: Values) -> tuple[Values, Values]:
    """log p_k and log(1 - p_k), both finite and exact to rounding where p_k is next to 0 or 1; shape (N, n, C)."""
    top = z.argmax(axis=2)[..., None]
    z -= np.take_along_axis(z, top, axis=2)
    rest = z.copy()
    np.put_along_axis(rest, top, -np.inf, axis=2)
    second = rest.max(axis=2, keepdims=True)
    # Probability of all classes but the largest, relative to the largest, as a logarithm.
    odds = second + np.log(np.exp(rest - second).sum(axis=2, keepdims=True))
    total = np.log1p(np.exp(odds))
    log_p = z - total
    # Every class but the largest has p <= 1/2, so that 1 - p loses nothing.
    log_rest = np.log1p(-np.minimum(np.exp(log_p), 0.5))
    np.put_along_axis(log_rest, top, odds - total, axis=2)
    return log_p, log_rest


def learn(forgotten: Values, unseen: Values, folds: Folds, examples: Examples) -> Values:
    """Thresholds from shadow models that were trained on the forgotten examples; scores (N, n_f) and (N, n_t).

    Args:
        forgotten: scores of the forgotten examples, here true members.
        unseen: scores of the unseen examples.
        folds: 0 or 1 for each model.
        examples: the attack's.

    Returns:
        shape (2, 2, n_classes): thresholds for models of fold k and examples of half h, fitted on models of the other
        fold (of the same one where there is no other) and on examples of the other half.
    """

    def of(k: int, half: int) -> Values:
        others = np.flatnonzero(folds != k) if (folds != k).any() else np.arange(len(folds))
        shadows = others[:MAX_SHADOWS]
        return _thresholds(forgotten[shadows], unseen[shadows], examples, 1 - half)

    return np.array([[of(k, half) for half in range(2)] for k in range(2)])


def balanced_accuracies(
    forgotten: Values, unseen: Values, folds: Folds, thresholds: Values, examples: Examples
) -> Values:
    """Balanced accuracy of the attack on each model, arguments as for :func:`learn`; result (N,)."""
    found = np.zeros(len(forgotten))
    for half in range(2):
        limits = thresholds[folds, half]
        caught = forgotten >= limits[:, examples.forgotten.labels]
        spared = unseen < limits[:, examples.unseen.labels]
        found += (caught @ examples.forgotten.weights[half] + spared @ examples.unseen.weights[half]) / 4
    return found


def _thresholds(forgotten: Values, unseen: Values, examples: Examples, half: int) -> Values:
    """The threshold of every class, fitted on the examples of ``half``; shape (n_classes,)."""
    sides = (examples.forgotten, forgotten), (examples.unseen, unseen)
    columns = [np.flatnonzero(side.halves == half) for side, _ in sides]
    labels = [side.labels[c] for (side, _), c in zip(sides, columns, strict=True)]
    scores = [values[:, c] for (_, values), c in zip(sides, columns, strict=True)]
    weights = np.tile(examples.unseen.weights[half, columns[1]], len(unseen))
    common = best_threshold(scores[0].ravel(), scores[1].ravel(), weights)
    found = np.full(1 + max(int(side.labels.max()) for side, _ in sides), common)
    for label in np.unique(labels[0]):
        own = [values[:, y == label] for values, y in zip(scores, labels, strict=True)]
        if min(values.shape[1] for values in own) >= MIN_PER_CLASS:
            found[label] = best_threshold(own[0].ravel(), own[1].ravel(), np.ones(own[1].size))
    return found


def best_threshold(members: Values, others: Values, weights: Values) -> float:
    """The threshold t for which "score >= t means member" has the largest true less false positive rate.

    Halfway between two neighbouring scores; +-inf where no score is worth cutting at.
    """
    scores = np.concatenate([members, others])
    gains = np.concatenate([np.full(members.size, 1 / members.size), -weights / weights.sum()])
    order = np.argsort(-scores, kind="stable")
    ordered, total = scores[order], np.cumsum(gains[order])
    ends = np.flatnonzero(np.append(ordered[:-1] != ordered[1:], True))
    best = int(ends[np.argmax(total[ends])])
    if total[best] <= 1e-12:
        return float("inf")
    return float("-inf") if best == ordered.size - 1 else float(ordered[best] / 2 + ordered[best + 1] / 2)
