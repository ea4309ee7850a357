"""The attack with access to the models before and after unlearning, cross-fitted over models and examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from harness.evaluation import Population, SplitName
from harness_evaluators.before_after import change, weighted_auc
from harness_evaluators.before_after.change import Moments
from harness_evaluators.common import jackknife, parallel
from harness_evaluators.common.evidence_analysis import MIN_MODELS, Analysis, Models
from harness_evaluators.common.example_sets import Examples, Side

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]
Flags = NDArray[np.bool_]
Axes = tuple[Singles, Singles]

MAX_FOLDS = 4
_COMPARED = change.SETS.index("all"), change.SETS.index("before")
"""Feature sets between which probabilities are compared."""

_PAIRS = 32
"""Most pairs scored at once."""

_BLOCK = 100_000
"""Most logits converted to features at once."""


LEAST_GAIN = 1e-3
"""Smallest gain or loss in probability that counts; a smaller one counts half. Without any change the signs of gains
are those of rounding errors, which differ between processors.
"""


@dataclass(frozen=True)
class Pairs:
    """Pairs of models of one row of the report.

    Attributes:
        before: rows among the originals, shape (N,).
        population: of the models after.
        after: rows in that population, shape (N,).
        folds: of the pairs, shape (N,); pairs with the same original share a fold.
    """

    before: Order
    population: Population
    after: Order
    folds: Order


def pairs(models: Models) -> dict[str, Pairs]:
    """Return the pairs of each row of the report that has enough models.

    An unlearned model is paired with its original. Retrained and control models are paired with the same originals in turn,
    and in the noop row an original is paired with itself.
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
    """Return the fold of every original that takes part; shape (n_originals,), 0 for others.

    Originals are assigned in the order of the unlearned models, then in the order of ``originals``, so that storage order has
    no influence.
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
    """Results of the attack on each pair of a row.

    Attributes:
        auc: by feature set, shape (N,).
        gain: mean gain in the probability of the true answer over the attack on the model before alone, shape (N,).
        share: share of examples with such a gain, see :data:`LEAST_GAIN`, shape (N,).
    """

    auc: Mapping[str, Values]
    gain: Values
    share: Values


@dataclass(frozen=True)
class Trial:
    """The pairs of a row with everything the attack needs, so that it can be refitted to a part of them.

    Attributes:
        row: the pairs, N of them.
        sides: features of the pairs, shape (N, d, n), on forgotten and on unseen examples, with those examples, sorted by
            half.
        learned: by half of the examples, moments of the features of forgotten and unseen ones, a row per pair.
        n_classes: number of classes.
    """

    row: Pairs
    sides: Sequence[tuple[Singles, Side]]
    learned: Sequence[Sequence[Moments]]
    n_classes: int

    def outcomes(self, keeps: Flags) -> list[Outcome]:
        """Attack the pairs of each selection (n_selections, N) with fits to the selection's other folds and halves."""
        found = np.zeros((2, len(keeps), len(self.row.folds), len(change.SETS) + 2))
        every = [(int(fold), half) for fold in np.unique(self.row.folds) for half in range(2)]
        sums = [[_Cells.of(side, self.row.folds, keeps) for side in self.learned[1 - half]] for half in range(2)]

        def axes(one: tuple[int, int]) -> Axes:
            fold, half = one
            return _axes([[cells.average(k, fold) for cells in sums[half]] for k in range(len(keeps))], self.n_classes)

        def work(part: tuple[tuple[int, int], Axes, slice]) -> None:
            (fold, half), learned, block = part
            mine = np.flatnonzero(self.row.folds == fold)[block]
            found[half][:, mine] = self._judged(mine, half, learned, keeps[:, mine])

        parts = zip(every, parallel.in_threads(axes, every), strict=True)
        sizes = np.bincount(self.row.folds)
        parallel.in_threads(
            work,
            [(one, learned, block) for one, learned in parts for block in parallel.slices(int(sizes[one[0]]), _PAIRS)],
        )
        return [_outcome(each[keep]) for keep, each in zip(keeps, found[0] / 2 + found[1] / 2, strict=True)]

    def _judged(self, mine: Order, half: int, axes: Axes, keep: Flags) -> Values:
        """Apply :func:`_judged` to some pairs on the examples of a half, with the axes of every selection that contains them.

        The shape is (n_selections, b, n_sets + 2), 0 for pairs outside of a selection.
        """
        columns = [side.of_half(half) for _, side in self.sides]
        own = [side.weights[half, c] for (_, side), c in zip(self.sides, columns, strict=True)]
        found = np.zeros((*keep.shape, len(change.SETS) + 2))
        for one, kept, weighting, offsets in zip(found, keep, *axes, strict=True):
            some = mine[kept]
            scores = [
                np.moveaxis(weighting @ x[some, :, c] + offsets[:, None], 1, 0)
                for (x, _), c in zip(self.sides, columns, strict=True)
            ]
            one[kept] = np.stack(_judged(scores, (own[0], own[1])), axis=1)
        return found


@dataclass(frozen=True)
class _Cells:
    """Sums of moments over pairs of the same fold that are in the same selections.

    Attributes:
        sums: a row per cell.
        sizes: pairs of each, shape (n_cells,).
        folds: of each, shape (n_cells,).
        keeps: the selections that contain it, shape (n_selections, n_cells).
    """

    sums: Moments
    sizes: Order
    folds: Order
    keeps: Flags

    @classmethod
    def of(cls, learned: Moments, folds: Order, keeps: Flags) -> _Cells:
        """Sum the moments of all pairs by cell."""
        labels = np.concatenate([folds[None], keeps])
        kinds, cell, sizes = np.unique(labels, axis=1, return_inverse=True, return_counts=True)
        rows = [np.flatnonzero(cell.ravel() == i) for i in range(len(sizes))]
        mean, square = (np.array([values[r].sum(axis=0) for r in rows]) for values in (learned.mean, learned.square))
        return cls(Moments(mean, square), sizes, kinds[0], kinds[1:].astype(np.bool_))

    def average(self, selection: int, fold: int) -> Moments:
        """Return the mean over the pairs of a selection outside of a fold."""
        return self.sums.average(self.keeps[selection] & (self.folds != fold), self.sizes)


def trial(analysis: Analysis, row: Pairs, examples: Examples) -> Trial:
    """Compute the features of a row's pairs and their moments."""
    forgotten, unseen = examples.forgotten.by_halves(), examples.unseen.by_halves()
    sides = (
        (_features(analysis, row, "forget", forgotten), forgotten),
        (_features(analysis, row, "test", unseen), unseen),
    )
    learned = [[change.moments(x, side.weights[half], side.of_half(half)) for x, side in sides] for half in range(2)]
    return Trial(row, sides, learned, analysis.evidence.n_classes)


def attack(analysis: Analysis, row: Pairs, examples: Examples) -> Outcome:
    """Attack every pair with fits to pairs of other folds and to other examples."""
    return trial(analysis, row, examples).outcomes(np.ones((1, len(row.before)), dtype=np.bool_))[0]


def contributions(tried: Trial, statistic: Callable[[Outcome], Values]) -> Values:
    """Return each pair's contribution to statistics, shape (N, n_statistics); their means over pairs are the statistics.

    A pair affects a statistic twice: it is attacked, and the attack is fitted to it. Its contribution is therefore found by
    leaving pairs out and fitting again. The variance of single pairs' results alone is far too small if there is little to
    learn.

    Args:
        tried: the pairs.
        statistic: gives statistics of single pairs, shape (n_statistics, number of pairs), which are averaged over pairs.
    """

    n = len(tried.row.before)
    every = np.array([np.ones(n, dtype=np.bool_), *jackknife.left_out(n)])
    whole, *without = (statistic(outcome).mean(axis=1) for outcome in tried.outcomes(every))
    found = jackknife.spread(np.array(without), n)
    return np.asarray(whole + found - found.mean(axis=0))


def _features(analysis: Analysis, row: Pairs, split: SplitName, side: Side) -> Singles:
    """Return features of the pairs on some examples of a split, shape (N, d, n)."""
    pair: tuple[Population, Population] = ("original", row.population)
    logits = [analysis.evidence.logits[population][split] for population in pair]
    phis = [analysis.phi(population, split) for population in pair]
    rows, labels, n_classes = side.rows, side.labels, analysis.evidence.n_classes
    found = parallel.unfilled((len(row.before), change.width(n_classes), len(rows)), np.float32)

    def work(chosen: slice) -> None:
        models = row.before[chosen], row.after[chosen]
        before, after = (each[i][:, rows] for each, i in zip(logits, models, strict=True))
        first, second = (phi[i[:, None], rows] for phi, i in zip(phis, models, strict=True))
        found[chosen] = change.features_of(before, after, labels, (first, second)).transpose(0, 2, 1)

    step = _BLOCK // max(1, len(rows) * n_classes)
    parallel.in_threads(work, parallel.slices(len(row.before), step))
    return found


def _axes(learned: Sequence[Sequence[Moments]], n_classes: int) -> Axes:
    """Return weights (n_selections, n_sets, d) and offsets (n_selections, n_sets) of the attack with each feature set."""
    columns = change.columns(n_classes)
    found = [
        [change.discriminant(positive, negative, columns[name]) for name in change.SETS]
        for positive, negative in learned
    ]
    weights = np.array([[axis for axis, _ in each] for each in found], dtype=np.float32)
    return weights, np.array([[offset for _, offset in each] for each in found], dtype=np.float32)


def _outcome(found: Values) -> Outcome:
    """Return the outcome of results per pair, shape (N, n_sets + 2)."""
    *aucs, gain, share = found.T
    return Outcome(dict(zip(change.SETS, aucs, strict=True)), gain, share)


def _judged(scores: list[Singles], weights: tuple[Values, Values]) -> list[Values]:
    """Return AUC by feature set, then mean and share of gains, per pair; scores of shape (n_sets, N, n) for both sides."""
    aucs = [weighted_auc.aucs(one, other, weights) for one, other in zip(*scores, strict=True)]
    whole, base = _COMPARED
    gain, share = np.zeros(len(aucs[0])), np.zeros(len(aucs[0]))
    for side, weight, sign in zip(scores, weights, (1, -1), strict=True):
        gains = expit(sign * side[whole]) - expit(sign * side[base])
        gain += gains @ weight / 2
        share += (1 + np.sign(gains) * (np.abs(gains) > LEAST_GAIN)) / 2 @ weight / 2
    return [*aucs, gain, share]
