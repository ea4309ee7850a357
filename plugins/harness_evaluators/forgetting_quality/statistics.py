"""Epsilons of populations as statistics, in-sample and cross-fitted, with their noise from halves of the models."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from harness.evaluation import Population, SplitName, phi
from harness_evaluators.common import half_samples, likelihood_ratio, parallel
from harness_evaluators.common.bootstrap import Linear
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.forgetting_quality import rates, strongest_attack
from harness_evaluators.forgetting_quality.strongest_attack import AttackName, Attacks, Codes, Pool

Values = NDArray[np.float64]
Keep = NDArray[np.bool_]
Folds = NDArray[np.int64]

MANY = 64
"""Fewest models for an interval of mean epsilons and of cross-fitted values. With fewer, chance separates single examples, and a
mean epsilon is capped there; and a fold of a half has so few models that its attacks are others than those of all models.
"""

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

    Cross-fitted statistics of the grid have no deviations, which would triple the cost.
    """
    both, sizes = strongest_attack.pool(left, right), (len(left), len(right))
    everyone = strongest_attack.codes(*(np.ones(size, dtype=np.bool_) for size in sizes))
    folds = two_folds(*sizes, rng)
    full = strongest_attack.strongest_of(both, everyone, attack, rates.DELTA, ends=False)
    crossed = _cross_fitted(both, everyone, attack, folds)
    per_example = np.concatenate(
        [_points_and_epsilon(full.epsilon[None], min(sizes)), _points_and_epsilon(crossed, _half_of(min(sizes)))]
    )
    names = (IN_SAMPLE[0], IN_SAMPLE[1], *CROSS_FITTED)
    found = {name: Linear(float(values.mean())) for name, values in zip(names, per_example, strict=True)}
    found["median_epsilon"] = Linear(float(np.median(full.epsilon)))
    noise = _noise(both.part(half_samples.columns(left.shape[1])), sizes, attack)
    for i, name in enumerate(names if noise is not None else ()):
        if noise is not None and i < noise.shape[1]:
            deviations = half_samples.of_mean(noise[:, i], left.shape[1])
            found[name] = replace(found[name], deviations=deviations)
    return Row(found, full.epsilon, int(full.guarded.sum()))


def _noise(both: Pool, sizes: tuple[int, int], attack: AttackName) -> Values | None:
    """Return deviations between halves of the models of points and epsilon of each of m examples, shape (HALVINGS, k, m).

    k is 2, and 4 for the exact family from MANY models on: also those of cross-fitted attacks. The buckets are those of all
    models.
    """

    def of_half(*keep: Keep) -> Values:
        chosen = strongest_attack.codes(*keep)
        found = strongest_attack.strongest_of(both, chosen, attack, rates.DELTA, ends=False).epsilon
        values = _points_and_epsilon(found[None], min(sizes))
        if attack == "official-grid" or min(sizes) < MANY:
            return values
        folds = np.concatenate([np.cumsum(kept) % 2 for kept in keep])  # of equal sizes among the kept models
        crossed = _cross_fitted(both, chosen, attack, folds)
        return np.concatenate([values, _points_and_epsilon(crossed, _half_of(min(sizes)))])

    return half_samples.deviations(sizes, of_half)


def two_folds(n_left: int, n_right: int, rng: np.random.Generator) -> Folds:
    """Return fold 0 or 1 for each model of both populations, shape (n_left + n_right,)."""
    return np.concatenate([likelihood_ratio.fold_numbers(n, 2, rng) for n in (n_left, n_right)])


def cross_fitted(left: Values, right: Values, attack: AttackName, folds: tuple[Folds, Folds]) -> Values:
    """Return epsilon of attacks on other models than those that chose them, shape (2, n).

    The strongest attack on one half of the models of both populations is applied to the other half, and the reverse. Both
    rates 0 give the cap as in-sample. If exactly one of them is 0, it is replaced by one error: discarding the attack would
    use the models that it is tested on.
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
