"""The attack of somebody who holds the model before and the model after, cross-fitted over models and examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from harness.evaluation import Evidence, Population
from harness_evaluators import _change, _weighted_auc
from harness_evaluators._change import Moments
from harness_evaluators._examples import Examples
from harness_evaluators._populations import MIN_MODELS, Models

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Order = NDArray[np.int64]

MAX_FOLDS = 4
_BLOCK = 400_000
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
    fold_of = _folds(origins, len(models.evidence.logits["original"]["forget"]))
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


def _folds(origins: Order, n_originals: int) -> Order:
    """The fold of every original, in the order in which unlearned models name them; shape (n_originals,)."""
    _, first = np.unique(origins, return_index=True)
    named = origins[np.sort(first)]
    folds = np.arange(n_originals, dtype=np.int64) % MAX_FOLDS
    folds[named] = np.arange(len(named)) % min(MAX_FOLDS, len(named))
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
    auc = {name: np.zeros(len(row.before)) for name in _change.SETS}
    gain, share = np.zeros(len(row.before)), np.zeros(len(row.before))
    for fold in np.unique(row.folds):
        mine, others = row.folds == fold, row.folds != fold
        for half in range(2):
            axes = _axes(learned[1 - half], others, evidence.n_classes)
            parts = [np.flatnonzero(side.halves == half) for _, side in sides]
            scores = [x[mine][:, part] @ axes[0] + axes[1] for (x, _), part in zip(sides, parts, strict=True)]
            weights = tuple(side.weights[half, part] for (_, side), part in zip(sides, parts, strict=True))
            found = _judged(scores, (weights[0], weights[1]))
            for i, name in enumerate(_change.SETS):
                auc[name][mine] += found[0][i] / 2
            gain[mine] += found[1] / 2
            share[mine] += found[2] / 2
    return Outcome(auc, gain, share)


def _features(evidence: Evidence, row: Pairs, split: str, rows: Order, labels: Order) -> Singles:
    """Features of the pairs on some examples of a split, shape (N, n, d)."""
    before, after = evidence.logits["original"][split], evidence.logits[row.population][split]
    step = max(1, _BLOCK // max(1, len(rows) * evidence.n_classes))
    blocks = [
        _change.features(before[row.before[i : i + step]][:, rows], after[row.after[i : i + step]][:, rows], labels)
        for i in range(0, len(row.before), step)
    ]
    return np.concatenate(blocks)


def _axes(learned: list[Moments], others: NDArray[np.bool_], n_classes: int) -> tuple[Singles, Singles]:
    """Weights, shape (d, n_sets), and offsets, shape (n_sets,), of the attacks by each set of features."""
    positive, negative = (side.average(others) for side in learned)
    columns = _change.columns(n_classes)
    found = [_change.discriminant(positive, negative, columns[name]) for name in _change.SETS]
    weights = np.stack([axis for axis, _ in found], axis=1).astype(np.float32)
    return weights, np.array([offset for _, offset in found], dtype=np.float32)


def _judged(scores: list[Singles], weights: tuple[Values, Values]) -> tuple[list[Values], Values, Values]:
    """AUC by feature set, and mean and share of gains, per pair; scores of shape (N, n, n_sets) for both sides."""
    aucs = [_weighted_auc.aucs(scores[0][..., i], scores[1][..., i], weights) for i in range(len(_change.SETS))]
    base, whole = _change.SETS.index("before"), _change.SETS.index("all")
    gain, share = np.zeros(len(scores[0])), np.zeros(len(scores[0]))
    for side, weight, sign in zip(scores, weights, (1, -1), strict=True):
        gains = expit(sign * side[..., whole]) - expit(sign * side[..., base])
        gain += gains @ weight / 2
        share += (1 + np.sign(gains)) / 2 @ weight / 2
    return aucs, gain, share
