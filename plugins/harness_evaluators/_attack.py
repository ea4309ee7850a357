"""The attack's numbers for every row of the report, with each model's contribution and the curves for plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_evaluators import _jackknife, _lira, _roc
from harness_evaluators._bootstrap import Linear

Values = NDArray[np.float64]
Keep = NDArray[np.bool_]
Split = tuple[_lira.Folds, _lira.Folds]

NAMES = ("auc", "balanced_accuracy", "tpr_at_1_percent_fpr", "tpr_at_01_percent_fpr")
"""What :func:`harness_evaluators._roc.numbers` returns, in its order."""

MIN_TO_RESAMPLE = 6
"""Fewest models for intervals: with fewer, a fit without one of them is left with a single model."""


@dataclass(frozen=True)
class Attack:
    """The attack on one population.

    Attributes:
        numbers: by NAMES; those whose false positive rate cannot be resolved are left out.
        curve: true positive rates at the false positive rates that were asked for; NaN where unresolvable.
    """

    numbers: Mapping[str, Linear]
    curve: Values


def splits(sizes: tuple[int, int], n_folds: int, repeats: int, rng: np.random.Generator) -> list[Split]:
    """Random splits into folds of a compared and of the retrained population."""
    return [
        (_lira.fold_numbers(sizes[0], n_folds, rng), _lira.fold_numbers(sizes[1], n_folds, rng)) for _ in range(repeats)
    ]


def repeats_for(n_models: int) -> int:
    """How often models are split into folds: more often where there are few, and splits matter most."""
    return 1 if n_models >= 32 else 2


def attack(left: Values, right: Values, where: list[Split], rates: Values) -> Attack:
    """Attack phi of a compared population against the retrained one, shape (N, n) each, averaged over splits.

    Args:
        left: the compared population.
        right: the retrained models.
        where: splits into folds.
        rates: false positive rates for the curve.
    """

    def numbers(keep_left: Keep, keep_right: Keep) -> Values:
        kept = [(np.where(keep_left, one, -1), np.where(keep_right, other, -1)) for one, other in where]
        each = [_roc.numbers(_lira.cross_fit(left, right, *folds)) for folds in kept]
        return np.asarray(np.mean(each, axis=0))

    everyone = np.ones(len(left), dtype=np.bool_), np.ones(len(right), dtype=np.bool_)
    value = numbers(*everyone)
    sides: list[Values] = []
    if min(len(left), len(right)) >= MIN_TO_RESAMPLE:
        sides.append(_jackknife.contributions(len(left), lambda keep: numbers(keep, everyone[1])))
        sides.append(_jackknife.contributions(len(right), lambda keep: numbers(everyone[0], keep)))
    named = {name: _linear(value, sides, i) for i, name in enumerate(NAMES) if np.isfinite(value[i])}
    return Attack(named, _roc.curve(_lira.cross_fit(left, right, *where[0]), rates))


def _linear(value: Values, sides: list[Values], i: int) -> Linear:
    """One of the numbers with its contributions, where all of them exist."""
    columns = [side[:, i] for side in sides if np.isfinite(side[:, i]).all()]
    return Linear(float(value[i]), *columns) if len(columns) == 2 else Linear(float(value[i]))
