"""Likelihood-ratio attack between unlearned and retrained models, cross-fitted over models.

For every example two Gaussians are fitted to phi or to its normal scores
(:mod:`harness_evaluators.common.rank_scores`), one over unlearned and
one over retrained models. The score of a model on an example is the log-likelihood ratio of the two. Densities are
fitted on other models than those scored, and scores are compared within their fold only. Scores of a fold share their
densities. So under the null (equal populations) the scored models are exchangeable, and the expected AUC is exactly one
half at any number of models.
Sources: Carlini et al., "Membership Inference Attacks From First Principles" (2022); Hayes et al., "Inexact Unlearning
Needs More Careful Evaluations to Avoid a False Sense of Privacy" (2024) for the comparison with retrained models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Folds = NDArray[np.int64]
Pair = tuple[Values, Values]

MIN_FOLDS, MAX_FOLDS = 4, 64
SCORES = 1000
"""Target number of retrained models' scores in a fold: a false positive rate of 0.1 % needs that many."""

PER_EXAMPLE_FROM = 32
"""Fewest models to fit a variance per example; below, one variance per population performs better.

Measured with spreads that vary between examples by a factor exp(0.5 z): AUC .611 (per example) against .613 (pooled)
with 24 models in the fit, .624 against .619 with 48.
"""


@dataclass(frozen=True)
class Fold:
    """Scores of one fold's models, under densities fitted on the models of the other folds.

    Attributes:
        left: log-likelihood ratios of the compared population's models, positive where they look unlike retrained
            ones, shape (a, n).
        right: the same for retrained models, shape (b, n).
    """

    left: Values
    right: Values


def fold_count(n_examples: int, *sizes: int) -> int:
    """Return the number of folds, 4 to 64, that leaves SCORES scores in each, with two models of each population or more."""
    smallest = min(sizes)
    wanted = min(max(smallest * n_examples // SCORES, MIN_FOLDS), MAX_FOLDS)
    return max(2, min(wanted, smallest // 2))


def fold_numbers(n_models: int, n_folds: int, rng: np.random.Generator) -> Folds:
    """Return a random fold for each model, sizes differing by at most one, shape (n_models,)."""
    return np.asarray(rng.permutation(n_models) % n_folds, dtype=np.int64)


@dataclass(frozen=True)
class Gaussians:
    """A Gaussian per example, shape (n,) each."""

    mean: Values
    variance: Values

    def log_density(self, phi: Values) -> Values:
        """Return the log density of phi, shape (N, n), up to a constant."""
        deviation = phi - self.mean
        deviation *= deviation
        deviation /= -2 * self.variance
        deviation -= 0.5 * np.log(self.variance)
        return deviation


def gaussians(
    sizes: tuple[int, int], means: Pair, variances: Pair, centre: Values | float = 0.0
) -> tuple[Gaussians, Gaussians]:
    """Return the Gaussians of two populations from their sizes, variances, and means less ``centre``.

    Fewer models than PER_EXAMPLE_FROM share one variance. The standard deviation has a floor, the larger of a thousandth of
    the pooled one and the rounding error, so that constant outputs give finite scores.
    """
    largest = np.maximum(np.abs(means[0] + centre), np.abs(means[1] + centre))
    rounding = (1e-6 * (1 + largest)) ** 2
    floor = np.maximum(rounding, 1e-6 * max(variances[0].mean(), variances[1].mean()))
    if min(sizes) < PER_EXAMPLE_FROM:
        variances = np.full_like(floor, variances[0].mean()), np.full_like(floor, variances[1].mean())
    pairs = zip(means, variances, strict=True)
    first, second = (Gaussians(mean, np.maximum(variance, floor)) for mean, variance in pairs)
    return first, second


def cross_fit(left: Values, right: Values, left_folds: Folds, right_folds: Folds) -> list[Fold]:
    """Score every model of both populations, phi of shape (N, n), under densities of the other folds' models.

    Folds without a model of either population are skipped; models of fold -1 are ignored.
    """
    n_folds, centre = int(left_folds.max()) + 1, right.mean(axis=0)
    sides = [
        [phi[folds == k] - centre for k in range(n_folds)] for phi, folds in ((left, left_folds), (right, right_folds))
    ]
    sums = [np.array([_powers(scored) for scored in side]).swapaxes(0, 1) for side in sides]
    totals = [sum(map(len, side)) for side in sides]
    folds = []
    for k in range(n_folds):
        scored = sides[0][k], sides[1][k]
        if min(map(len, scored)) == 0:
            continue
        sizes = totals[0] - len(scored[0]), totals[1] - len(scored[1])
        means, variances = zip(*(_without(one, k, size) for one, size in zip(sums, sizes, strict=True)), strict=True)
        one, other = gaussians(sizes, means, variances, centre)
        folds.append(Fold(*(one.log_density(phi) - other.log_density(phi) for phi in scored)))
    return folds


def _powers(deviations: Values) -> Values:
    """Return the sums over models of first and second powers, shape (2, n)."""
    return np.stack([deviations.sum(axis=0), np.einsum("in,in->n", deviations, deviations)])


def _without(sums: Values, k: int, size: int) -> Pair:
    """Return mean and variance of the ``size`` models outside fold k, from sums of first and second powers (2, K, n)."""
    first, second = np.delete(sums, k, axis=1).sum(
        axis=1
    )  # subtracting fold k from a total would leave rounding errors that depend on it
    mean = first / size
    return mean, np.maximum(second - first * mean, 0.0) / (size - 1)
