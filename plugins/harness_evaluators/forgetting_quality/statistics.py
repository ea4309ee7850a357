"""Epsilons of populations as statistics with each model's contribution, in-sample and cross-fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from harness.evaluation import Population, SplitName, phi
from harness_evaluators.common import jackknife, likelihood_ratio, parallel
from harness_evaluators.common.bootstrap import Linear
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.forgetting_quality import example_noise, rates, strongest_attack
from harness_evaluators.forgetting_quality.strongest_attack import AttackName, Attacks, Codes, Pool

Values = NDArray[np.float64]
Keep = NDArray[np.bool_]
Folds = NDArray[np.int64]

MIN_TO_RESAMPLE = 8
"""Fewest models of each population for intervals: the jackknife leaves out an eighth of them."""

COLUMNS = 256
"""Most examples in the comparison of values between halves of the models."""

_BLOCK = 100_000
"""Most logits converted to phi at once."""

FLOOR = 1e-45
"""Constant that the released code adds to probabilities before the logarithm; it keeps phi within 104."""

IN_SAMPLE = ("f", "mean_epsilon", "median_epsilon")
CROSS_FITTED = ("f_crossfit", "mean_epsilon_crossfit")


@dataclass(frozen=True)
class Row:
    """One population compared with the retrained models by one family of attacks.

    Attributes:
        statistics: by IN_SAMPLE and CROSS_FITTED.
        epsilon: in-sample, per example, shape (n,).
        guarded: how many examples hit the guard on ranges.
    """

    statistics: dict[str, Linear]
    epsilon: Values
    guarded: int


def official_phi(analysis: Analysis, population: Population, split: SplitName) -> Values:
    """Return phi as the released code computes it, ln(p + 1e-45) - ln(1 - p + 1e-45), shape (N, n)."""
    evidence = analysis.evidence
    logits, labels = evidence.logits[population][split], evidence.labels[split]
    found = parallel.unfilled(logits.shape[:2])

    def work(rows: slice) -> None:
        # Not Analysis.phi: some thresholds of the grid equal values of phi, so that the last bit decides.
        values = phi(logits[rows], labels)
        found[rows] = np.log(expit(values) + FLOOR) - np.log(expit(-values) + FLOOR)

    parallel.in_threads(work, parallel.slices(len(found), _BLOCK // max(1, logits[0].size)))
    return found


def row(left: Values, right: Values, attack: AttackName, rng: np.random.Generator) -> Row:
    """Compare phi of a population with that of as many retrained models, shape (N, n) each.

    The buckets are those of the full N in every resample. Cross-fitted statistics of the grid have no contributions, which
    would
    triple the cost.
    """
    both, size = strongest_attack.pool(left, right), min(len(left), len(right))
    everyone = np.ones(len(left), dtype=np.bool_), np.ones(len(right), dtype=np.bool_)
    full = strongest_attack.strongest_of(both, strongest_attack.codes(*everyone), attack, rates.DELTA, ends=False)
    folds = two_folds(len(left), len(right), rng)
    crossed = _points_and_epsilon(_cross_fitted(both, strongest_attack.codes(*everyone), attack, folds), _half_of(size))
    per_example = np.concatenate([_points_and_epsilon(full.epsilon[None], size), crossed])
    resampled = _Resampled(both, attack, folds, size)
    means = [Linear(float(values.mean())) for values in per_example]
    if min(len(left), len(right)) >= MIN_TO_RESAMPLE:
        means = resampled.with_noise(per_example, (len(left), len(right)))
    f, epsilon, f_crossed, epsilon_crossed = means
    median = Linear(float(np.median(full.epsilon)))
    named = dict(zip((*IN_SAMPLE, *CROSS_FITTED), (f, epsilon, median, f_crossed, epsilon_crossed), strict=True))
    return Row(named, full.epsilon, int(full.guarded.sum()))


@dataclass(frozen=True)
class _Resampled:
    """Statistics of subsets of the models of two populations.

    Attributes:
        both: all models.
        attack: the family.
        folds: of all models, shape (N_left + N_right,).
        size: models of the smaller population, which determines the buckets.
    """

    both: Pool
    attack: AttackName
    folds: Folds
    size: int

    def per_example(self, keep_left: Keep, keep_right: Keep) -> Values:
        """Return points and epsilon of each example, for the exact family also of cross-fitted attacks: (2, n) or (4, n)."""
        chosen = strongest_attack.codes(keep_left, keep_right)
        found = strongest_attack.strongest_of(self.both, chosen, self.attack, rates.DELTA, ends=False).epsilon
        values = _points_and_epsilon(found[None], self.size)
        if self.attack == "official-grid":
            return values
        crossed = _cross_fitted(self.both, chosen, self.attack, self.folds)
        return np.concatenate([values, _points_and_epsilon(crossed, _half_of(self.size))])

    def of_half(self, keep_left: Keep, keep_right: Keep) -> Values:
        """Return :meth:`per_example` with folds of equal sizes among the kept models."""
        folds = np.concatenate([np.cumsum(keep) % 2 for keep in (keep_left, keep_right)])
        return replace(self, folds=folds).per_example(keep_left, keep_right)

    def with_noise(self, per_example: Values, sizes: tuple[int, int]) -> list[Linear]:
        """Return means over examples with contributions if known; ``per_example`` of all models, shape (4, n)."""
        everyone = np.ones(sizes[0], dtype=np.bool_), np.ones(sizes[1], dtype=np.bool_)
        lefts = np.array([self.per_example(keep, everyone[1]) for keep in jackknife.left_out(sizes[0])])
        rights = np.array([self.per_example(everyone[0], keep) for keep in jackknife.left_out(sizes[1])])
        some = example_noise.columns(per_example.shape[1], COLUMNS)
        reliable = example_noise.reliabilities(*sizes, replace(self, both=self.both.part(some)).of_half)
        found = []
        for i, values in enumerate(per_example):
            if i >= lefts.shape[1]:
                found.append(Linear(float(values.mean())))
                continue
            sides = [
                jackknife.spread(without[:, i].mean(axis=1, keepdims=True), size)[:, 0]
                for without, size in zip((lefts, rights), sizes, strict=True)
            ]
            first_order = example_noise.of_examples([lefts[:, i], rights[:, i]])
            linear = Linear(float(values.mean()), *sides)
            found.append(example_noise.corrected(linear, values, float(reliable[i]), first_order))
        return found


def two_folds(n_left: int, n_right: int, rng: np.random.Generator) -> Folds:
    """Return fold 0 or 1 for each model of both populations, shape (n_left + n_right,)."""
    return np.concatenate([likelihood_ratio.fold_numbers(n, 2, rng) for n in (n_left, n_right)])


def cross_fitted(left: Values, right: Values, attack: AttackName, folds: tuple[Folds, Folds]) -> Values:
    """Return epsilon of attacks on other models than those that chose them, shape (2, n).

    The strongest attack on one half of the models of both populations is applied to the other half, and the reverse. Both
    rates 0
    give the cap as in-sample. If exactly one of them is 0, it is replaced by one error: discarding the attack would use the
    models that it is tested on.
    """
    everyone = strongest_attack.codes(*(np.ones(len(side), dtype=np.bool_) for side in (left, right)))
    return _cross_fitted(strongest_attack.pool(left, right), everyone, attack, np.concatenate(folds))


def _cross_fitted(both: Pool, chosen: Codes, attack: AttackName, folds: Folds) -> Values:
    """Return :func:`cross_fitted` of models that are sorted already."""
    halves = []
    for fold in (0, 1):
        fitted, judged = (np.where(taken, chosen, np.uint8(0)) for taken in (folds != fold, folds == fold))
        halves.append(_held_out(strongest_attack.strongest_of(both, fitted, attack, rates.DELTA), both, judged))
    return np.array(halves)


def errors(attacks: Attacks, both: Pool, chosen: Codes) -> list[NDArray[np.int32]]:
    """Return the numbers of unlearned and retrained models that given attacks misclassify, shape (n,) each."""
    sizes, inside = strongest_attack.sizes_of(chosen), strongest_attack.inside(attacks, both, chosen)
    unlearned, retrained = attacks.inside_is_unlearned, ~attacks.inside_is_unlearned
    return [
        np.where(is_inside, size - count, count)
        for is_inside, size, count in zip((unlearned, retrained), sizes, inside, strict=True)
    ]


def _held_out(attacks: Attacks, both: Pool, chosen: Codes) -> Values:
    """Return epsilon of given attacks on given models, shape (n,)."""
    wrong = errors(attacks, both, chosen)
    perfect = (wrong[0] == 0) & (wrong[1] == 0)
    counts = [np.where(perfect, 0, np.maximum(count, 1)) for count in wrong]
    logs = [rates.logs(size, rates.DELTA, np.float64) for size in strongest_attack.sizes_of(chosen)]
    found = rates.epsilons(logs[0], logs[1], counts[0], counts[1])
    found[attacks.guarded] = math.inf
    return np.clip(np.asarray(found, dtype=np.float64), 0, rates.CAP)


def _half_of(size: int) -> int:
    """Return the number of models of the tested half, which determines the buckets of cross-fitted attacks."""
    return max(size // 2, 2)


def _points_and_epsilon(epsilon: Values, n_models: int) -> Values:
    """Return points and epsilon of each example, means over attacks; epsilon of shape (n_attacks, n), result (2, n)."""
    return np.stack([rates.points(epsilon, n_models).mean(axis=0), epsilon.mean(axis=0)])
