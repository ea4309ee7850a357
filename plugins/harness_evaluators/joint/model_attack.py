"""An attack that sees a whole model, chosen on one half of the models and tested on the other.

Two scores are tried: the sum over examples of the likelihood ratio of ``lira``, and the witness function of the kernel test, the
mean kernel to unlearned less that to retrained models. The threshold and the score with the largest bound in the fitted half
are used, where each model is scored by the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import clopper_pearson, likelihood_ratio

Values = NDArray[np.float64]
Folds = NDArray[np.int64]
Sides = tuple[Values, Values]

INNER_FOLDS = 8
"""Most folds in which the fitted half scores its own models."""

FEWEST = 8
"""Fewest models of a population: each half must score its models by others, and certifies nothing with fewer anyway."""

MOST_SD = 5.0
"""Limit of a standardised confidence in a kernel: a single outlying example must not decide a distance."""


@dataclass(frozen=True)
class Tested:
    """The errors of one half's attack on the other half.

    Attributes:
        errors: misclassified unlearned and retrained models.
        sizes: number of unlearned and of retrained models that were tested.
    """

    errors: tuple[int, int]
    sizes: tuple[int, int]


@dataclass(frozen=True)
class _Scores:
    """Scores of an attack, larger for models that look unlearned: of the fitted models by others, and of the tested models."""

    fitted: Sides
    tested: Sides


def tested(left: Values, right: Values, folds: tuple[Folds, Folds], rng: np.random.Generator) -> list[Tested]:
    """Attack phi of two populations, (m, n) and (N, n), once with each half of the models as the tested one.

    Args:
        left: of the compared population.
        right: of the retrained models.
        folds: 0 or 1 for each model of both.
        rng: draws the inner folds.
    """
    found = []
    for fold in (0, 1):
        fitted, others = (
            (left[folds[0] != fold], right[folds[1] != fold]),
            (left[folds[0] == fold], right[folds[1] == fold]),
        )
        best = max(
            (_choice(one) for one in (_ratio(fitted, others, rng), _witness(fitted, others))), key=lambda it: it[0]
        )
        _, threshold, scores = best
        wrong = int((scores.tested[0] < threshold).sum()), int((scores.tested[1] >= threshold).sum())
        found.append(Tested(wrong, (len(others[0]), len(others[1]))))
    return found


def epsilon(halves: Sequence[Tested]) -> float:
    """Return the lower bound of epsilon from both halves."""
    return max(float(clopper_pearson.epsilon_bound(*_counts(one), one.sizes)[0]) for one in halves)


def delta(halves: Sequence[Tested], epsilons: Values) -> Values:
    """Return the lower bound of delta at each epsilon from both halves, shape as ``epsilons``."""
    return np.asarray(
        np.max([clopper_pearson.delta_bound(*_counts(one), one.sizes, epsilons) for one in halves], axis=0)
    )


def _counts(one: Tested) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array([one.errors[0]]), np.array([one.errors[1]])


def _choice(scores: _Scores) -> tuple[float, float, _Scores]:
    """Return the bound that the fitted half gives for its best threshold, that threshold, and the scores."""
    left, right = (np.sort(side) for side in scores.fitted)
    values = np.unique(np.concatenate([left, right]))
    middles = (values[1:] + values[:-1]) / 2
    if not len(middles):
        return -np.inf, np.inf, scores
    wrong = np.searchsorted(left, middles), len(right) - np.searchsorted(right, middles)
    rates = [clopper_pearson.upper(count, len(side)) for count, side in zip(wrong, (left, right), strict=True)]
    logs = [np.log(np.maximum(1 - rate, np.finfo(np.float64).tiny)) for rate in rates]
    bounds = np.maximum(logs[0] - np.log(rates[1]), logs[1] - np.log(rates[0]))
    best = np.flatnonzero(bounds >= bounds.max() - 1e-12)
    return float(bounds.max()), float(middles[best[len(best) // 2]]), scores


def _ratio(fitted: Sides, others: Sides, rng: np.random.Generator) -> _Scores:
    """Return log-likelihood ratios of whole models, examples taken as independent."""
    n_folds = min(INNER_FOLDS, *(len(side) // 2 for side in fitted))
    numbers = [likelihood_ratio.fold_numbers(len(side), n_folds, rng) for side in fitted]
    crossed = likelihood_ratio.cross_fit(*fitted, *numbers)
    inner = tuple(np.concatenate([getattr(fold, side).sum(axis=1) for fold in crossed]) for side in ("left", "right"))
    means, variances = (tuple(of(side) for side in fitted) for of in (_mean, _variance))
    one, other = likelihood_ratio.gaussians(
        (len(fitted[0]), len(fitted[1])), (means[0], means[1]), (variances[0], variances[1])
    )
    scored = tuple((one.log_density(side) - other.log_density(side)).sum(axis=1) for side in others)
    return _Scores((inner[0], inner[1]), (scored[0], scored[1]))


def _mean(side: Values) -> Values:
    return np.asarray(side.mean(axis=0))


def _variance(side: Values) -> Values:
    return np.asarray(side.var(axis=0, ddof=1))


def _witness(fitted: Sides, others: Sides) -> _Scores:
    """Return the difference of mean kernels to unlearned and to retrained models of the fitted half."""
    centre, scale = _mean(fitted[1]), np.sqrt(_variance(np.concatenate(fitted)))
    scale = np.where(scale > 0, scale, np.inf)
    mine, theirs = (
        tuple(np.clip((side - centre) / scale, -MOST_SD, MOST_SD) for side in sides) for sides in (fitted, others)
    )
    base = np.concatenate(mine)
    own = _squared_distances(base, base)
    middle = float(np.median(own[np.triu_indices(len(own), 1)])) or 1.0
    kernel, first = np.exp(-own / (2 * middle)), len(mine[0])
    np.fill_diagonal(kernel, 0.0)  # a fitted model is scored by the others
    counts = np.array([[first - 1, first], [len(base) - first, len(base) - first - 1]])
    sums = kernel[:, :first].sum(axis=1), kernel[:, first:].sum(axis=1)
    of_left = sums[0][:first] / counts[0, 0] - sums[1][:first] / counts[1, 0]
    of_right = sums[0][first:] / counts[0, 1] - sums[1][first:] / counts[1, 1]
    scored = []
    for side in theirs:
        near = np.exp(-_squared_distances(side, base) / (2 * middle))
        scored.append(near[:, :first].mean(axis=1) - near[:, first:].mean(axis=1))
    return _Scores((of_left, of_right), (scored[0], scored[1]))


def _squared_distances(one: Values, other: Values) -> Values:
    norms = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None, :]
    return np.asarray(np.maximum(norms - 2 * one @ other.T, 0.0))
