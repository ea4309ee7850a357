"""The attack of somebody who holds the model before and the model after, cross-fitted over models and examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from harness.evaluation import Evidence, Population, SplitName
from harness_evaluators import _change, _populations, _shared, _weighted_auc
from harness_evaluators._change import Moments
from harness_evaluators._examples import Examples
from harness_evaluators._populations import MIN_MODELS, Models

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]

MAX_FOLDS = 4
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


def attack(evidence: Evidence, row: Pairs, examples: Examples) -> Outcome:
    """Attack every pair with what was learned from pairs of other folds and from other examples."""
    forgotten = _features(evidence, row, "forget", examples.forgotten.rows, examples.forgotten.labels)
    unseen = _features(evidence, row, "test", examples.unseen.rows, examples.unseen.labels)
    sides = (forgotten, examples.forgotten), (unseen, examples.unseen)
    learned = [[_change.moments(x, side.weights[half]) for x, side in sides] for half in range(2)]

    def work(part: tuple[int, int]) -> None:
        fold, half = part
        mine, others = np.flatnonzero(row.folds == fold), row.folds != fold
        axes = _axes(learned[1 - half], others, evidence.n_classes)
        parts = [np.flatnonzero(side.halves == half) for _, side in sides]
        scores = [x[mine[:, None], c] @ axes[0] + axes[1] for (x, _), c in zip(sides, parts, strict=True)]
        weights = tuple(side.weights[half, c] for (_, side), c in zip(sides, parts, strict=True))
        found[half, :, mine] = np.stack(_judged(scores, (weights[0], weights[1])), axis=1)

    found = np.zeros((2, len(_change.SETS) + 2, len(row.before)))
    _shared.in_threads(work, [(int(fold), half) for fold in np.unique(row.folds) for half in range(2)])
    *aucs, gain, share = found[0] / 2 + found[1] / 2
    return Outcome(dict(zip(_change.SETS, aucs, strict=True)), gain, share)


def _features(evidence: Evidence, row: Pairs, split: SplitName, rows: Order, labels: Order) -> Singles:
    """Features of the pairs on some examples of a split, shape (N, n, d)."""
    pair: tuple[Population, Population] = ("original", row.population)
    logits = [evidence.logits[population][split] for population in pair]
    phis = [_populations.phi_values(evidence, population, split) for population in pair]

    def of(chosen: slice) -> Singles:
        models = row.before[chosen], row.after[chosen]
        before, after = (each[i][:, rows] for each, i in zip(logits, models, strict=True))
        first, second = (phi[i[:, None], rows] for phi, i in zip(phis, models, strict=True))
        return _change.features_of(before, after, labels, (first, second))

    step = _BLOCK // max(1, len(rows) * evidence.n_classes)
    return np.concatenate(_shared.in_threads(of, _shared.slices(len(row.before), step)))


def _axes(learned: list[Moments], others: NDArray[np.bool_], n_classes: int) -> tuple[Singles, Singles]:
    """Weights, shape (d, n_sets), and offsets, shape (n_sets,), of the attacks by each set of features."""
    positive, negative = (side.average(others) for side in learned)
    columns = _change.columns(n_classes)
    found = [_change.discriminant(positive, negative, columns[name]) for name in _change.SETS]
    weights = np.stack([axis for axis, _ in found], axis=1).astype(np.float32)
    return weights, np.array([offset for _, offset in found], dtype=np.float32)


def _judged(scores: list[Singles], weights: tuple[Values, Values]) -> list[Values]:
    """AUC by feature set, then mean and share of gains, per pair; scores of shape (N, n, n_sets) for both sides."""
    aucs = [_weighted_auc.aucs(scores[0][..., i], scores[1][..., i], weights) for i in range(len(_change.SETS))]
    base, whole = _change.SETS.index("before"), _change.SETS.index("all")
    gain, share = np.zeros(len(scores[0])), np.zeros(len(scores[0]))
    for side, weight, sign in zip(scores, weights, (1, -1), strict=True):
        gains = expit(sign * side[..., whole]) - expit(sign * side[..., base])
        gain += gains @ weight / 2
        share += (1 + np.sign(gains)) / 2 @ weight / 2
    return [*aucs, gain, share]
