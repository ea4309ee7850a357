"""Membership inference by thresholds on confidence, entropy and modified entropy, fitted on shadow models.

Source: Song and Mittal, "Systematic evaluation of privacy risks of machine learning models" (2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import parallel
from harness_evaluators.common.example_sets import Examples

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
Rows = NDArray[np.int64]
Folds = NDArray[np.int64]

FEATURES = ("confidence", "entropy", "modified_entropy")

MIN_PER_CLASS = 10
"""Fewest forgotten and unseen examples for a class-specific threshold; below, the common threshold is used."""

MAX_SHADOWS = 32
"""Most models that thresholds are fitted on: with more, thresholds depend on the examples, not on the number of models."""

_BLOCK = 100_000
"""Most logits processed at once, so that they stay in the processor's cache."""


def features(logits: NDArray[np.floating], labels: Labels) -> Values:
    """Return scores that are higher for members, shape (3, N, n), in the order of FEATURES, from logits of shape (N, n, C).

    They are log p_y - log(1 - p_y), which has the order of the confidence p_y but resolves values that round to 1; the
    negative entropy sum_k p_k log p_k; and the negative modified entropy (1 - p_y) log p_y + sum_{k != y} p_k log(1 -
    p_k).
    """
    return features_of(logits, np.arange(len(logits)), np.arange(logits.shape[1]), labels)


def features_of(logits: NDArray[np.floating], models: Rows, examples: Rows, labels: Labels) -> Values:
    """Return :func:`features` of some models and examples in the given order; labels are those of the examples."""
    found = parallel.unfilled((len(FEATURES), len(models), len(examples)))
    blocks = parallel.slices(len(models), _BLOCK // max(1, len(examples) * logits.shape[2]))

    def work(rows: slice) -> None:
        # With classes first, sums over them run along contiguous rows.
        z = logits[models[rows]][:, examples].transpose(2, 0, 1)
        found[:, rows] = _features(np.ascontiguousarray(z, dtype=np.float64), labels)

    parallel.in_threads(work, blocks)
    return found


def _features(z: Values, labels: Labels) -> Values:
    """Return features of logits of shape (C, N, n), which are overwritten."""
    log_p, log_rest = _log_posteriors(z)
    index = np.broadcast_to(labels[None, None, :], (1, *z.shape[1:]))
    true, rest = (np.take_along_axis(one, index, axis=0)[0] for one in (log_p, log_rest))
    p = np.exp(log_p)
    log_p *= p
    entropy = log_p.sum(axis=0)
    np.put_along_axis(p, index, 0.0, axis=0)
    p *= log_rest
    return np.stack([true - rest, entropy, np.exp(rest) * true + p.sum(axis=0)])


def _log_posteriors(z: Values) -> tuple[Values, Values]:
    """Return log p_k and log(1 - p_k), both finite and exact to rounding for p_k near 0 or 1; shape (C, N, n)."""
    top = z.argmax(axis=0)[None]
    z -= np.take_along_axis(z, top, axis=0)
    rest = z.copy()
    np.put_along_axis(rest, top, -np.inf, axis=0)
    second = rest.max(axis=0)
    # Log of the probability of all classes but the largest, relative to the largest.
    rest -= second
    odds = second + np.log(np.exp(rest, out=rest).sum(axis=0))
    total = np.log1p(np.exp(odds))
    log_p = z - total
    # Every class but the largest has p <= 1/2, so 1 - p has no cancellation.
    np.minimum(np.exp(log_p, out=rest), 0.5, out=rest)
    log_rest = np.log1p(np.negative(rest, out=rest), out=rest)
    np.put_along_axis(log_rest, top, (odds - total)[None], axis=0)
    return log_p, log_rest


def learn(forgotten: Values, unseen: Values, folds: Folds, examples: Examples) -> Values:
    """Fit thresholds on shadow models that were trained on the forgotten examples; scores (N, n_f) and (N, n_t).

    Args:
        forgotten: scores of the forgotten examples, members of the shadow models' training sets.
        unseen: scores of the unseen examples.
        folds: 0 or 1 for each model.
        examples: the attack's.

    Returns:
        shape (2, 2, n_classes): thresholds for models of fold k and examples of half h, fitted on models of the other
        fold (of the same fold if there is no other) and on examples of the other half.
    """

    def of(k: int, half: int) -> Values:
        others = np.flatnonzero(folds != k) if (folds != k).any() else np.arange(len(folds))
        shadows = others[:MAX_SHADOWS]
        return _thresholds(forgotten[shadows], unseen[shadows], examples, 1 - half)

    return np.array([[of(k, half) for half in range(2)] for k in range(2)])


def balanced_accuracies(
    forgotten: Values, unseen: Values, folds: Folds, thresholds: Values, examples: Examples
) -> Values:
    """Return the balanced accuracy of the attack on each model, arguments as for :func:`learn`; result (N,)."""
    found = np.zeros(len(forgotten))
    for half in range(2):
        sides = (examples.forgotten, forgotten), (examples.unseen, unseen)
        parts = [(side, values, np.flatnonzero(side.halves == half)) for side, values in sides]
        for fold in range(2):
            mine, limits = np.flatnonzero(folds == fold), thresholds[fold, half]
            member = [values[mine[:, None], c] >= limits[side.labels[c]] for side, values, c in parts]
            weights = [side.weights[half, c] for side, _, c in parts]
            found[mine] += (member[0] @ weights[0] + ~member[1] @ weights[1]) / 4
    return found


def _thresholds(forgotten: Values, unseen: Values, examples: Examples, half: int) -> Values:
    """Return the threshold of every class, fitted on the examples of ``half``; shape (n_classes,)."""
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
    """Return the threshold t for which "score >= t means member" maximises true less false positive rate.

    It is halfway between two neighbouring scores; +-inf if no cut improves on a constant prediction.
    """
    scores = np.concatenate([members, others])
    gains = np.concatenate([np.full(members.size, 1 / members.size), -weights / weights.sum()])
    order = np.argsort(-scores)
    if (
        scores[order[:-1]] == scores[order[1:]]
    ).any():  # an unstable sort would make the rounding of the sums depend on the order of ties
        order = np.argsort(-scores, kind="stable")
    ordered, total = scores[order], np.cumsum(gains[order])
    ends = np.flatnonzero(np.append(ordered[:-1] != ordered[1:], True))
    best = int(ends[np.argmax(total[ends])])
    if total[best] <= 1e-12:
        return float("inf")
    return float("-inf") if best == ordered.size - 1 else float(ordered[best] / 2 + ordered[best + 1] / 2)
