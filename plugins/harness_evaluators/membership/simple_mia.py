"""The starting kit's membership inference attack: the loss of forgotten against unseen examples, one model at a time.

Source: NeurIPS 2023 Machine Unlearning Challenge, starting kit (2023).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import parallel
from harness_evaluators.membership import logistic

Values = NDArray[np.float64]
Order = NDArray[np.int64]
Splits = list[tuple[Order, Order]]

DRAWS = 32
"""Fewest draws of examples and splits in total over the models of a population.

One draw moves the accuracy by about .019 (200 of 1,000 unseen examples) for any model; the mean over 32 draws moves by
.003. Each model has its own draws, so that their noise is part of the spread between models and of every interval.
"""

SPLITS = 10
TEST_SHARE = 0.1
MIN_EXAMPLES = 6
"""Fewest examples of each label: a test part of 10 % must be able to hold one of each."""

_BLOCK = 16
"""Models attacked at once, so that their losses stay in the processor's cache."""


def losses(phi: Values) -> Values:
    """Return the cross-entropy -log p_y from the logit-scaled confidence: log(1 + exp(-phi)), same shape."""
    return np.asarray(np.logaddexp(0.0, -phi))


def subsamples(ids: NDArray[np.str_], size: int, draws: int, rng: np.random.Generator) -> Order:
    """Draw ``size`` random examples ``draws`` times, independent of storage order.

    Returns:
        row numbers, shape (draws, size).
    """
    known = np.argsort(ids, kind="stable")
    return np.stack([known[rng.permutation(len(ids))[:size]] for _ in range(draws)]).astype(np.int64)


def shuffle_splits(size: int, rng: np.random.Generator) -> Splits:
    """Return SPLITS random splits of ``size`` examples of either label into training and test parts, 90 to 10 %.

    Row r < size is example r of label 0, row size + r that of label 1. Both parts are balanced; if a part is of odd size, its
    extra example has a random label. The rule is that of scikit-learn's StratifiedShuffleSplit, with other random draws.
    """
    test = int(np.ceil(TEST_SHARE * 2 * size))
    found = []
    for _ in range(SPLITS):
        extra = rng.permutation(2)[0] if test % 2 else None
        shares = [test // 2 + int(label == extra) for label in range(2)]
        orders = [label * size + rng.permutation(size) for label in range(2)]
        tests = np.concatenate([order[:share] for order, share in zip(orders, shares, strict=True)])
        trains = np.concatenate([order[share:] for order, share in zip(orders, shares, strict=True)])
        found.append((trains.astype(np.int64), tests.astype(np.int64)))
    return found


def accuracies(unseen: Values, forgotten: Values, splits: Splits) -> Values:
    """Return the mean accuracy of the attack over ``splits`` for each model; losses of shape (N, size) each, result (N,)."""

    def work(rows: slice) -> Values:
        x, penalty = _standardised(np.concatenate([unseen[rows], forgotten[rows]], axis=1))
        return _accuracies(x, np.repeat([0.0, 1.0], x.shape[1] // 2), penalty, splits)

    return np.concatenate(parallel.in_threads(work, parallel.slices(len(unseen), _BLOCK)))


def _standardised(x: Values) -> tuple[Values, Values]:
    """Return the standardised feature, shape (B, n), and the penalty, shape (B,), that keeps the optimum unchanged."""
    scale = x.std(axis=1, keepdims=True)
    scale[scale <= 1e-12 * np.abs(x).max(axis=1, keepdims=True)] = 1.0
    penalty = np.maximum(1 / scale[:, 0] / scale[:, 0], 1e-300)
    return (x - x.mean(axis=1, keepdims=True)) / scale, penalty


def _accuracies(x: Values, labels: Values, penalty: Values, splits: Splits) -> Values:
    """Return :func:`accuracies` of a standardised feature of shape (B, 2 size)."""
    everywhere = logistic.fit(x, labels, penalty)
    right = np.zeros(len(x))
    for train, test in splits:
        found = logistic.fit(x[:, train], labels[train], penalty, everywhere)
        answers = x[:, test] * found[:, :1] + found[:, 1:] > 0
        right += (answers == (labels[test] > 0.5)).mean(axis=1)
    return right / len(splits)
