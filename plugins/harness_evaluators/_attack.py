"""The attack's numbers for every row of the report, with each model's contribution and the curves for plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_evaluators import _attack_examples, _example_noise, _jackknife, _lira, _roc
from harness_evaluators._bootstrap import Linear

Values = NDArray[np.float64]
Keep = NDArray[np.bool_]
Split = tuple[_lira.Folds, _lira.Folds]
Sides = tuple[Values, Values]

NAMES = ("auc", "balanced_accuracy", "tpr_at_1_percent_fpr", "tpr_at_01_percent_fpr")
"""What :func:`harness_evaluators._roc.numbers` returns, in its order."""

MIN_TO_RESAMPLE = 6
"""Fewest models for intervals: with fewer, a fit without one of them is left with a single model."""

MANY = 128
"""Models from which on the jackknife leaves out larger groups, since each costs more."""

FOLDS_IN_ALL = 90
"""About how many folds are scored.

A split into K folds leaves out the 1 / K of pairs of models that share a fold. The choice of these moves the statistic by
sqrt(1 / (K - 1)) of its standard deviation between alike populations, and R splits by sqrt(1 / R) of that: R K = 90
holds it near a tenth, and below it as measured.
"""


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


def repeats_for(n_folds: int) -> int:
    """How often models are split into folds; see :data:`FOLDS_IN_ALL`."""
    return max(1, round(FOLDS_IN_ALL / n_folds))


def value(sides: Sides, where: Sequence[Split]) -> Values:
    """The numbers of the attack, by NAMES, averaged over splits into folds; phi of shape (N, n) each."""
    return np.asarray(np.mean([_roc.numbers(_lira.cross_fit(*sides, *folds)) for folds in where], axis=0))


def attack(left: Values, right: Values, where: Sequence[Split], rates: Values, rng: np.random.Generator) -> Attack:
    """Attack phi of a compared population against the retrained one, shape (N, n) each, averaged over splits.

    Args:
        left: the compared population.
        right: the retrained models.
        where: splits into folds.
        rates: false positive rates for the curve.
        rng: draws the split that the noise rests on.
    """
    sides, sizes = (left, right), (len(left), len(right))
    found = value(sides, where)
    curve = _roc.curve(_lira.cross_fit(*sides, *where[0]), rates)
    if min(sizes) < MIN_TO_RESAMPLE:
        return Attack({name: Linear(float(found[i])) for i, name in _finite(found)}, curve)
    noise = _noise(sides, splits(sizes, _lira.fold_count(1, *sizes), 1, rng)[0])
    return Attack({name: noise.of(i, float(found[i])) for i, name in _finite(found)}, curve)


def _finite(numbers: Values) -> list[tuple[int, str]]:
    return [(i, name) for i, name in enumerate(NAMES) if np.isfinite(numbers[i])]


@dataclass(frozen=True)
class _Noise:
    """What the noise of the numbers is computed from, by NAMES.

    Attributes:
        left: jackknife contributions of the compared population's models, shape (N_left, 4).
        right: of the retrained models.
        per_example: values of some examples, shape (4, m).
        first_order: jackknife variance of a single example, shape (4,).
        reliabilities: see :func:`harness_evaluators._example_noise.reliabilities`, shape (4,).
        n: examples.
    """

    left: Values
    right: Values
    per_example: Values
    first_order: Values
    reliabilities: Values
    n: int

    def of(self, i: int, found: float) -> Linear:
        """Number i with contributions, where all of what they rest on exists."""
        linear = Linear(found, self.left[:, i], self.right[:, i])
        total = _example_noise.variance(linear)
        if total is None or not np.isfinite([total, *self.per_example[i], self.first_order[i]]).all():
            return Linear(found)
        target = _example_noise.target(
            total, self.per_example[i], float(self.reliabilities[i]), float(self.first_order[i]), self.n
        )
        return _example_noise.rescaled(linear, float(np.sqrt(target / total)) if total > 0 else 1.0)


def _noise(sides: Sides, where: Split) -> _Noise:
    n = sides[0].shape[1]
    few, some = (_example_noise.columns(n, max(32, most // len(sides[1]))) for most in (16_384, 65_536))
    everyone = np.ones(len(sides[0]), dtype=np.bool_), np.ones(len(sides[1]), dtype=np.bool_)
    whole: list[Values] = []
    single: list[Values] = []
    for side in (0, 1):
        groups = _jackknife.left_out(len(sides[side]), 16 if len(sides[side]) <= MANY else _jackknife.GROUPS)
        kept = [(keep, everyone[1]) if side == 0 else (everyone[0], keep) for keep in groups]
        found = [_judged(sides, where, keep, few) for keep in kept]
        whole.append(_jackknife.spread(np.array([one for one, _ in found]), len(sides[side])))
        single.append(np.array([one for _, one in found]))
    return _Noise(
        left=whole[0],
        right=whole[1],
        per_example=_judged(sides, where, everyone, some)[1],
        first_order=np.array([_example_noise.of_examples([side[:, i] for side in single]) for i in range(len(NAMES))]),
        reliabilities=_reliabilities((sides[0][:, some], sides[1][:, some])),
        n=n,
    )


def _judged(sides: Sides, where: Split, keep: tuple[Keep, Keep], columns: NDArray[np.int64]) -> tuple[Values, Values]:
    """The numbers from some of the models, shape (4,), and how some examples move them, shape (4, m)."""
    kept = [np.where(mine, folds, -1) for mine, folds in zip(keep, where, strict=True)]
    return _attack_examples.judged(_lira.cross_fit(*sides, kept[0], kept[1]), columns)


def _reliabilities(sides: Sides) -> Values:
    """Agreement of halves of the models on single examples, by NAMES; 0 where a half cannot resolve a rate."""
    every = np.arange(sides[0].shape[1])

    def values(left: Keep, right: Keep) -> Values:
        half = sides[0][left], sides[1][right]
        n_folds = _lira.fold_count(1, *map(len, half))
        folds = [np.arange(len(side)) % n_folds for side in half]
        return _attack_examples.judged(_lira.cross_fit(*half, folds[0], folds[1]), every)[1]

    return _example_noise.reliabilities(len(sides[0]), len(sides[1]), values)
