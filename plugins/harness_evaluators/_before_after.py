"""The attack of somebody who holds the model before and the model after, cross-fitted over models and examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from harness.evaluation import Evidence, Population, SplitName
from harness_evaluators import _change, _jackknife, _populations, _shared, _weighted_auc
from harness_evaluators._change import Moments
from harness_evaluators._examples import Examples, Side
from harness_evaluators._populations import MIN_MODELS, Models

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]
Keep = NDArray[np.bool_]

MAX_FOLDS = 4
_PAIRS = 32
"""Most pairs judged at once."""

_BLOCK = 100_000
"""Most logits turned to features at once."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of models of one row of the report.

    Attributes:
        before: rows among the originals, shape (N,).
        population: where the models after come from.
        after: rows among those, shape (N,).
        folds: of the pairs, shape (N,); pairs with the same original share one.
    """

    before: Order
    population: Population
    after: Order
    folds: Order


def pairs(models: Models) -> dict[str, Pairs]:
    """The pairs of each row of the report that has enough models.

    An unlearned model is paired with the original it came from. Retrained and control models take their turns with the
    same originals, and an original is paired with itself in the noop row.
    """
    origins = models.evidence.unlearned_from[models.order["unlearned"]]
    fold_of = _folds(origins, models.order["original"], len(models.evidence.logits["original"]["forget"]))
    shared = len(set(origins.tolist())) == 1

    def paired(population: Population, before: Order) -> Pairs:
        folds = np.arange(len(before)) % MAX_FOLDS if shared else fold_of[before]
        return Pairs(before, population, models.order[population], folds)

    found = {"unlearned": paired("unlearned", origins)}
    for row in ("retrained", "control"):
        population: Population = "retrained" if row == "retrained" else "control"
        if len(models.order[population]) >= MIN_MODELS:
            found[row] = paired(population, np.resize(origins, len(models.order[population])))
    if len(models.order["original"]) >= MIN_MODELS:
        found["noop"] = paired("original", models.order["original"])
    return found


def _folds(origins: Order, originals: Order, n_originals: int) -> Order:
    """The fold of every original that takes part; shape (n_originals,), 0 for others.

    They are dealt in the order in which unlearned models name them, those that none names in the order of ``originals``: the
    row at which a model happens to be stored decides nothing.
    """
    _, first = np.unique(origins, return_index=True)
    named = origins[np.sort(first)]
    others = originals[~np.isin(originals, named)]
    folds = np.zeros(n_originals, dtype=np.int64)
    folds[named] = np.arange(len(named)) % min(MAX_FOLDS, len(named))
    folds[others] = np.arange(len(others)) % MAX_FOLDS
    return folds


@dataclass(frozen=True)
class Outcome:
    """What the attack found on each pair of a row.

    Attributes:
        auc: by feature set, shape (N,).
        gain: mean gain in the probability given to the truth over the attack on the model before alone, shape (N,).
        share: share of examples with such a gain, equal counting half, shape (N,).
    """

    auc: Mapping[str, Values]
    gain: Values
    share: Values


@dataclass(frozen=True)
class Trial:
    """The pairs of a row with all that the attack needs of them, so that it can be fitted to a part of them again.

    Attributes:
        row: the pairs, N of them.
        sides: features of the pairs, shape (N, n, d), on forgotten and on unseen examples, with those examples.
        learned: by half of the examples, moments of the features of forgotten and unseen ones, a row per pair.
        n_classes: number of classes.
    """

    row: Pairs
    sides: Sequence[tuple[Singles, Side]]
    learned: Sequence[Sequence[Moments]]
    n_classes: int

    def outcome(self, keep: Keep) -> Outcome:
        """Attack the pairs kept, shape (N,), with what was learned from those of other folds and from other examples."""
        folds, sizes = np.unique(self.row.folds[keep], return_counts=True)
        found = np.zeros((2, len(_change.SETS) + 2, len(keep)))

        def work(part: tuple[int, int, slice]) -> None:
            fold, half, block = part
            mine = np.flatnonzero(keep & (self.row.folds == fold))[block]
            axes = _axes(self.learned[1 - half], keep & (self.row.folds != fold), self.n_classes)
            found[half, :, mine] = self._judged(mine, half, axes)

        _shared.in_threads(
            work,
            [
                (int(fold), half, block)
                for fold, size in zip(folds, sizes, strict=True)
                for half in range(2)
                for block in _shared.slices(int(size), _PAIRS)
            ],
        )
        *aucs, gain, share = (found[0] / 2 + found[1] / 2)[:, keep]
        return Outcome(dict(zip(_change.SETS, aucs, strict=True)), gain, share)

    def _judged(self, mine: Order, half: int, axes: tuple[Singles, Singles]) -> Values:
        """What :func:`_judged` says of some pairs on the examples of a half, shape (b, n_sets + 2)."""
        compiled = _shared.kernels("_change_kernels", sum(x.size for x, _ in self.sides))
        weights, offsets = axes
        scores, own = [], []
        for x, side in self.sides:
            columns = np.flatnonzero(side.halves == half)
            own.append(side.weights[half, columns])
            if compiled:
                scores.append(np.empty((len(_change.SETS), len(mine), len(columns)), np.float32))
                compiled.set_scores(x, mine, columns, weights, offsets, scores[-1])
            else:
                scores.append(np.moveaxis(x[mine[:, None], columns] @ weights.T + offsets, 2, 0))
        return np.stack(_judged(scores, (own[0], own[1])), axis=1)


def trial(evidence: Evidence, row: Pairs, examples: Examples) -> Trial:
    """Compute the features of a row's pairs and their moments."""
    forgotten = _features(evidence, row, "forget", examples.forgotten.rows, examples.forgotten.labels)
    unseen = _features(evidence, row, "test", examples.unseen.rows, examples.unseen.labels)
    sides = (forgotten, examples.forgotten), (unseen, examples.unseen)
    learned = [[_change.moments(x, side.weights[half]) for x, side in sides] for half in range(2)]
    return Trial(row, sides, learned, evidence.n_classes)


def attack(evidence: Evidence, row: Pairs, examples: Examples) -> Outcome:
    """Attack every pair with what was learned from pairs of other folds and from other examples."""
    return trial(evidence, row, examples).outcome(np.ones(len(row.before), dtype=np.bool_))


def contributions(tried: Trial, statistic: Callable[[Outcome], Values]) -> Values:
    """Each pair's contribution to statistics, shape (N, n_statistics), whose mean over pairs are the statistics.

    A pair is attacked, and the attack is fitted to it: both are in its contribution, which is therefore found by leaving
    pairs out and fitting again. What the attack says of single pairs varies far less where there is little to learn.

    Args:
        tried: the pairs.
        statistic: gives statistics of single pairs, shape (n_statistics, number of pairs), of which the mean counts.
    """

    def means(keep: Keep) -> Values:
        return np.asarray(statistic(tried.outcome(keep)).mean(axis=1))

    n = len(tried.row.before)
    found = _jackknife.contributions(n, means)
    return np.asarray(means(np.ones(n, dtype=np.bool_)) + found - found.mean(axis=0))


def _features(evidence: Evidence, row: Pairs, split: SplitName, rows: Order, labels: Order) -> Singles:
    """Features of the pairs on some examples of a split, shape (N, n, d)."""
    pair: tuple[Population, Population] = ("original", row.population)
    logits = [evidence.logits[population][split] for population in pair]
    phis = [_populations.phi_values(evidence, population, split) for population in pair]
    found = np.empty((len(row.before), len(rows), _change.width(evidence.n_classes)), dtype=np.float32)
    compiled = _shared.kernels("_change_kernels", logits[0].size)

    def work(chosen: slice) -> None:
        models = row.before[chosen], row.after[chosen]
        if compiled:
            sides = (logits[0], logits[1]), (phis[0], phis[1])
            compiled.set_features(*sides, models, (rows, labels), _change.CLIP, found[chosen])
            return
        before, after = (each[i][:, rows] for each, i in zip(logits, models, strict=True))
        first, second = (phi[i[:, None], rows] for phi, i in zip(phis, models, strict=True))
        found[chosen] = _change.features_of(before, after, labels, (first, second))

    step = _BLOCK // max(1, len(rows) * evidence.n_classes)
    _shared.in_threads(work, _shared.slices(len(row.before), step))
    return found


def _axes(learned: Sequence[Moments], others: NDArray[np.bool_], n_classes: int) -> tuple[Singles, Singles]:
    """Weights, shape (n_sets, d), and offsets, shape (n_sets,), of the attacks by each set of features."""
    positive, negative = (side.average(others) for side in learned)
    columns = _change.columns(n_classes)
    found = [_change.discriminant(positive, negative, columns[name]) for name in _change.SETS]
    weights = np.array([axis for axis, _ in found], dtype=np.float32)
    return weights, np.array([offset for _, offset in found], dtype=np.float32)


def _judged(scores: list[Singles], weights: tuple[Values, Values]) -> list[Values]:
    """AUC by feature set, then mean and share of gains, per pair; scores of shape (n_sets, N, n) for both sides."""
    aucs = [_weighted_auc.aucs(one, other, weights) for one, other in zip(*scores, strict=True)]
    base, whole = _change.SETS.index("before"), _change.SETS.index("all")
    gain, share = np.zeros(len(aucs[0])), np.zeros(len(aucs[0]))
    for side, weight, sign in zip(scores, weights, (1, -1), strict=True):
        gains = expit(sign * side[whole]) - expit(sign * side[base])
        gain += gains @ weight / 2
        share += (1 + np.sign(gains)) / 2 @ weight / 2
    return [*aucs, gain, share]
