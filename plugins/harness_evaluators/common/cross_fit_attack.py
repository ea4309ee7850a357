"""Results of the likelihood-ratio attack for every row of the report, with their noise and ROC curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import half_samples, likelihood_ratio, roc
from harness_evaluators.common.bootstrap import Linear

Values = NDArray[np.float64]
Keep = NDArray[np.bool_]
Split = tuple[likelihood_ratio.Folds, likelihood_ratio.Folds]
Sides = tuple[Values, Values]

NAMES = ("auc", "balanced_accuracy", "tpr_at_1_percent_fpr", "tpr_at_01_percent_fpr")
"""Names of the numbers that :func:`harness_evaluators.common.roc.numbers` returns, in order."""

FOLDS_IN_ALL = 90
"""Target number of folds that are scored in all.

A split into K folds leaves out the 1 / K of model pairs that share a fold. Between equal populations, the choice of these
moves the statistic by sqrt(1 / (K - 1)) of its standard deviation, and R splits by sqrt(1 / R) of that. R K = 90 keeps
it near a tenth; measurements are below that.
"""

FOLDS_OF_HALVES = 8
"""The same for each half of the models, which has more noise of its own."""


@dataclass(frozen=True)
class Attack:
    """The attack on one population.

    Attributes:
        numbers: by NAMES, without those for a false positive rate that cannot be resolved.
        curve: true positive rates at the given false positive rates; NaN if unresolvable.
    """

    numbers: Mapping[str, Linear]
    curve: Values


def splits(sizes: tuple[int, int], n_folds: int, repeats: int, rng: np.random.Generator) -> list[Split]:
    """Return random splits into folds of a compared and of the retrained population."""
    return [
        (likelihood_ratio.fold_numbers(sizes[0], n_folds, rng), likelihood_ratio.fold_numbers(sizes[1], n_folds, rng))
        for _ in range(repeats)
    ]


def repeats_for(n_folds: int) -> int:
    """Return the number of random splits into ``n_folds`` folds; see :data:`FOLDS_IN_ALL`."""
    return max(1, round(FOLDS_IN_ALL / n_folds))


def value(sides: Sides, where: Sequence[Split]) -> Values:
    """Return the attack's numbers, by NAMES, averaged over splits into folds; phi of shape (N, n) each."""
    return np.asarray(np.mean([roc.numbers(likelihood_ratio.cross_fit(*sides, *folds)) for folds in where], axis=0))


def attack(left: Values, right: Values, where: Sequence[Split], rates: Values, rng: np.random.Generator) -> Attack:
    """Attack phi of a compared population against the retrained one, shape (N, n) each, averaged over splits.

    Args:
        left: the compared population.
        right: the retrained models.
        where: splits into folds.
        rates: false positive rates for the curve.
        rng: draws the splits that the noise rests on.
    """
    sides, sizes = (left, right), (len(left), len(right))
    found = value(sides, where)
    curve = roc.curve(likelihood_ratio.cross_fit(*sides, *where[0]), rates)
    seed = int(rng.integers(2**32))
    noise = half_samples.deviations(sizes, lambda *halves: _of_halves(sides, halves, seed))
    return Attack({name: _linear(float(found[i]), noise, i) for i, name in _finite(found)}, curve)


def _of_halves(sides: Sides, halves: tuple[Keep, Keep], seed: int) -> Values:
    """Return the numbers for a subset of the models, by NAMES."""
    left, right = sides[0][halves[0]], sides[1][halves[1]]
    sizes = len(left), len(right)
    n_folds = min(FOLDS_OF_HALVES, likelihood_ratio.fold_count(left.shape[1], *sizes))
    rng = np.random.default_rng([seed, *np.flatnonzero(halves[0])])
    return value((left, right), splits(sizes, n_folds, FOLDS_OF_HALVES // n_folds, rng))


def _linear(found: float, noise: Values | None, i: int) -> Linear:
    """Return a number with the noise from half samples, if these resolve it."""
    if noise is None or not np.isfinite(noise[:, i]).all():
        return Linear(found)
    return Linear(found, deviations=noise[:, i])


def _finite(numbers: Values) -> list[tuple[int, str]]:
    return [(i, name) for i, name in enumerate(NAMES) if np.isfinite(numbers[i])]
