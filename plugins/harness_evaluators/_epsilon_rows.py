"""Epsilons of populations as statistics with each model's contribution, in-sample and cross-fitted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from harness.evaluation import Evidence, Population, SplitName, phi
from harness_evaluators import _epsilon, _epsilon_rates, _jackknife, _lira, _shared
from harness_evaluators._bootstrap import Linear
from harness_evaluators._epsilon import LEFT, RIGHT, AttackName, Attacks, Codes, Pool

Values = NDArray[np.float64]
Keep = NDArray[np.bool_]
Folds = NDArray[np.int64]

MIN_TO_RESAMPLE = 8
"""Fewest models a side for intervals: the jackknife leaves an eighth of them out."""

EXCHANGES = 20
"""How often control and retrained models change places; it leaves the standard deviation uncertain by a sixth."""

_BLOCK = 100_000
"""Most logits turned to phi at once."""

FLOOR = 1e-45
"""What the released code adds to probabilities before taking logarithms; it holds phi within 104."""

IN_SAMPLE = ("f", "mean_epsilon", "median_epsilon")
CROSS_FITTED = ("f_crossfit", "mean_epsilon_crossfit")


@dataclass(frozen=True)
class Row:
    """One population compared with the retrained models by one family of attacks.

    Attributes:
        statistics: by IN_SAMPLE and CROSS_FITTED.
        epsilon: in-sample, per example, shape (n,).
        guarded: how many examples hit the guard on ranges.
        null_sd: for the control, :func:`exchanged_sd`; else empty.
    """

    statistics: dict[str, Linear]
    epsilon: Values
    guarded: int
    null_sd: Mapping[str, float] = field(default_factory=dict)


def official_phi(evidence: Evidence, population: Population, split: SplitName) -> Values:
    """Phi as the released code computes it, ln(p + 1e-45) - ln(1 - p + 1e-45), shape (N, n)."""
    logits, labels = evidence.logits[population][split], evidence.labels[split]
    found = _shared.unfilled(logits.shape[:2])

    def work(rows: slice) -> None:
        # Not what the other evaluators share: some thresholds of the grid lie on values of phi, and the last bit decides there.
        values = phi(logits[rows], labels)
        found[rows] = np.log(expit(values) + FLOOR) - np.log(expit(-values) + FLOOR)

    _shared.in_threads(work, _shared.slices(len(found), _BLOCK // max(1, logits[0].size)))
    return found


def row(left: Values, right: Values, attack: AttackName, rng: np.random.Generator) -> Row:
    """Compare phi of a population with that of as many retrained models, shape (N, n) each.

    The buckets are those of the full N in every resample. Cross-fitted statistics of the grid have no contributions:
    they would triple the cost.
    """
    both, size = _epsilon.pool(left, right), min(len(left), len(right))
    everyone = np.ones(len(left), dtype=np.bool_), np.ones(len(right), dtype=np.bool_)
    full = _epsilon.strongest_of(both, _epsilon.codes(*everyone), attack, _epsilon_rates.DELTA, ends=False)
    folds = _folds(len(left), len(right), rng)

    def statistics(keep_left: Keep, keep_right: Keep) -> Values:
        return _resampled(both, _epsilon.codes(keep_left, keep_right), attack, folds, size)

    crossed = _crossed(_cross_fitted(both, _epsilon.codes(*everyone), attack, folds), size)
    values = np.append(_in_sample(full.epsilon, size), crossed)
    contributions = _contributions(len(left), len(right), statistics)
    named = {name: _linear(values, contributions, i) for i, name in enumerate((*IN_SAMPLE, *CROSS_FITTED))}
    return Row(named, full.epsilon, int(full.guarded.sum()))


def exchanged_sd(left: Values, right: Values, attack: AttackName, rng: np.random.Generator) -> dict[str, float]:
    """Standard deviations of the statistics where models of two alike populations change places at random.

    Control and retrained models are exchangeable, so this is the noise of the null itself. The jackknife overstates it
    two- to threefold, because the largest epsilon of alike populations is far from a mean over models.
    """
    both, size = _epsilon.pool(left, right), min(len(left), len(right))
    folds = _folds(len(left), len(right), rng)
    # Model i takes the place, and the fold, of model places[i].
    places = [np.argsort(rng.permutation(len(left) + len(right))) for _ in range(EXCHANGES)]

    def statistics(place: Folds) -> Values:
        chosen = np.where(place < len(left), LEFT, RIGHT).astype(np.uint8)
        return _resampled(both, chosen, attack, folds[place], size)

    found = _shared.in_threads(statistics, places)
    return dict(zip((*IN_SAMPLE, *CROSS_FITTED), np.std(found, axis=0, ddof=1).tolist(), strict=False))


def _folds(n_left: int, n_right: int, rng: np.random.Generator) -> Folds:
    """One of two folds for each model of both populations, shape (n_left + n_right,)."""
    return np.concatenate([_lira.fold_numbers(n, 2, rng) for n in (n_left, n_right)])


def _resampled(both: Pool, chosen: Codes, attack: AttackName, folds: Folds, size: int) -> Values:
    """The statistics that are resampled, in the order of IN_SAMPLE and CROSS_FITTED; folds of all models."""
    found = _epsilon.strongest_of(both, chosen, attack, _epsilon_rates.DELTA, ends=False)
    values = _in_sample(found.epsilon, size)
    if attack == "official-grid":
        return values
    return np.append(values, _crossed(_cross_fitted(both, chosen, attack, folds), size))


def cross_fitted(left: Values, right: Values, attack: AttackName, folds: tuple[Folds, Folds]) -> Values:
    """Epsilon of attacks on other models than those that chose them, shape (2, n).

    The strongest attack on one half of the models of both populations is carried out on the other half, and the
    reverse. Both rates 0 give the cap as in-sample; where exactly one of them is 0, one error is counted in its place,
    because an attack that was chosen elsewhere cannot be discarded without looking at what it is judged by.
    """
    everyone = _epsilon.codes(*(np.ones(len(side), dtype=np.bool_) for side in (left, right)))
    return _cross_fitted(_epsilon.pool(left, right), everyone, attack, np.concatenate(folds))


def _cross_fitted(both: Pool, chosen: Codes, attack: AttackName, folds: Folds) -> Values:
    """As :func:`cross_fitted`, of models that were sorted before."""
    halves = []
    for fold in (0, 1):
        fitted, judged = (np.where(taken, chosen, np.uint8(0)) for taken in (folds != fold, folds == fold))
        halves.append(_held_out(_epsilon.strongest_of(both, fitted, attack, _epsilon_rates.DELTA), both, judged))
    return np.array(halves)


def _held_out(attacks: Attacks, both: Pool, chosen: Codes) -> Values:
    """Epsilon that given attacks reach on given models, shape (n,)."""
    sizes, inside = _epsilon.sizes_of(chosen), _epsilon.inside(attacks, both, chosen)
    left, right = attacks.inside_is_unlearned, ~attacks.inside_is_unlearned
    errors = [
        np.where(is_inside, size - count, count)
        for is_inside, size, count in zip((left, right), sizes, inside, strict=True)
    ]
    perfect = (errors[0] == 0) & (errors[1] == 0)
    errors = [np.where(perfect, 0, np.maximum(count, 1)) for count in errors]
    logs = [_epsilon_rates.logs(size, _epsilon_rates.DELTA, np.float64) for size in sizes]
    found = _epsilon_rates.epsilons(logs[0], logs[1], errors[0], errors[1])
    found[attacks.guarded] = math.inf
    return np.clip(np.asarray(found, dtype=np.float64), 0, _epsilon_rates.CAP)


def _in_sample(epsilon: Values, n_models: int) -> Values:
    """The numbers of IN_SAMPLE."""
    return np.array([_epsilon_rates.points(epsilon, n_models).mean(), epsilon.mean(), np.median(epsilon)])


def _crossed(epsilon: Values, n_models: int) -> Values:
    """The numbers of CROSS_FITTED; the buckets are those of the half that is judged."""
    return np.array([_epsilon_rates.points(epsilon, max(n_models // 2, 2)).mean(), epsilon.mean()])


def _contributions(n_left: int, n_right: int, statistics: Callable[[Keep, Keep], Values]) -> list[Values]:
    """Contributions of either population's models, shape (N, n_statistics); empty where they are too few."""
    if min(n_left, n_right) < MIN_TO_RESAMPLE:
        return []
    everyone = np.ones(n_left, dtype=np.bool_), np.ones(n_right, dtype=np.bool_)
    return [
        _jackknife.contributions(n_left, lambda keep: statistics(keep, everyone[1])),
        _jackknife.contributions(n_right, lambda keep: statistics(everyone[0], keep)),
    ]


def _linear(values: Values, sides: list[Values], i: int) -> Linear:
    """Statistic i with its contributions, where it has some."""
    return Linear(float(values[i]), *(side[:, i] for side in sides if i < side.shape[1]))
