"""Values by stratum of memory, with strata and values from different models.

The memory of a forgotten example is the mean probability of its class under originals less that under retrained models,
those of the control included. An example that *happens* to be predicted badly by the retrained models at hand seems
remembered, and looks unlike any other population on the same models. So the models are divided into halves: one half orders
the examples, the other half is measured, and then the other way round. Under the null (unlearned models distributed like
retrained ones) the measured models are then independent of the strata, and every stratum has the null's value. Results are
means over random halvings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from harness_evaluators.common import likelihood_ratio, mean_shift, parallel, rank_scores, roc
from harness_evaluators.common.half_samples import HALVINGS
from harness_evaluators.common.ks_distance import distances
from harness_evaluators.common.likelihood_ratio import PER_EXAMPLE_FROM

Values = NDArray[np.float64]
Order = NDArray[np.int64]
Flags = NDArray[np.bool_]
Row = Literal["unlearned", "control", "noop"]

STATISTICS = ("auc", "tpr_at_1_percent_fpr", "mean_d", "shift", "memory")
"""What is measured in each stratum, in order."""

RATE = 0.01
"""False positive rate of the true positive rate."""

FOLDS = (4, 3, 2)
"""Numbers of folds of the attack on half of the models; the first one that resolves :data:`RATE` in a stratum is used."""


@dataclass(frozen=True)
class Sides:
    """Confidences phi on the forget set, shape (N, n) each.

    Attributes:
        rows: the compared populations.
        retrained: retrained models.
        originals: originals, for the memory.
        origins: position in ``originals`` of each unlearned model's original; -1 if it is unknown or common to all.
    """

    rows: Mapping[Row, Values]
    retrained: Values
    originals: Values
    origins: Order


def measured(sides: Sides, strata: int, seed: int) -> dict[Row, Values]:
    """Return :data:`STATISTICS` by row, shape (HALVINGS, 2, len(STATISTICS), strata); NaN where a rate is unresolvable.

    The second axis is the half of the models that is measured.
    """
    found = parallel.in_threads(lambda number: _halving(sides, strata, [seed, number]), range(HALVINGS))
    return {row: np.stack([one[row] for one in found]) for row in sides.rows}


def _halving(sides: Sides, strata: int, seed: list[int]) -> dict[Row, Values]:
    rng = np.random.default_rng(seed)
    unlearned = _half(len(sides.rows["unlearned"]), rng)
    masks: dict[str, Flags] = {"unlearned": unlearned, "originals": _half(len(sides.originals), rng)}
    known = sides.origins >= 0
    if known.any():
        masks["originals"] = _with_own(sides, unlearned, rng)
    masks["noop"] = masks["originals"]
    masks["retrained"] = _half(len(sides.retrained), rng)
    if "control" in sides.rows:
        masks["control"] = _half(len(sides.rows["control"]), rng)
    both = [_of_half(sides, masks, strata, rng), _of_half(sides, {k: ~v for k, v in masks.items()}, strata, rng)]
    return {row: np.stack([one[row] for one in both]) for row in sides.rows}


def _half(size: int, rng: np.random.Generator) -> Flags:
    """Return a random half of ``size`` models, the larger one of an odd number or not at random."""
    return np.asarray(rng.permutation(size) < (size + int(rng.integers(2))) // 2)


def _with_own(sides: Sides, unlearned: Flags, rng: np.random.Generator) -> Flags:
    """Return halves of the originals: each is on the side of the model that was unlearned from it, others are at random."""
    found = np.zeros(len(sides.originals), dtype=np.bool_)
    known = sides.origins >= 0
    found[sides.origins[known]] = unlearned[known]
    free = np.setdiff1d(np.arange(len(found)), sides.origins[known])
    found[free] = _half(len(free), rng)
    return found


def _of_half(sides: Sides, measure: Mapping[str, Flags], strata: int, rng: np.random.Generator) -> dict[Row, Values]:
    """Return the statistics of the chosen models, shape (len(STATISTICS), strata), in strata by the other models."""
    never = [sides.retrained[~measure["retrained"]]]
    if "control" in sides.rows:
        never.append(sides.rows["control"][~measure["control"]])
    others = expit(sides.originals[~measure["originals"]]).mean(axis=0) - expit(np.concatenate(never)).mean(axis=0)
    ranks = np.argsort(np.argsort(others, kind="stable"), kind="stable")
    stratum = ranks * strata // len(ranks)
    right = sides.retrained[measure["retrained"]]
    memory = expit(sides.originals[measure["originals"]]).mean(axis=0) - expit(right).mean(axis=0)
    scale = mean_shift.spread(right, PER_EXAMPLE_FROM)
    size = int(measure["unlearned"].sum())
    found: dict[Row, Values] = {}
    for row, phi in sides.rows.items():
        left = phi[measure[row]][:size]
        by_example = np.abs(distances(left, right)), (left.mean(axis=0) - right.mean(axis=0)) / scale, memory
        found[row] = np.stack(
            [*_attack(left, right, stratum, strata, rng), *(_means(one, stratum) for one in by_example)]
        )
    return found


def _means(values: Values, stratum: Order) -> Values:
    return np.asarray(np.bincount(stratum, weights=values) / np.bincount(stratum))


def _attack(
    left: Values, right: Values, stratum: Order, strata: int, rng: np.random.Generator
) -> tuple[Values, Values]:
    """Return AUC and true positive rate of the cross-fitted likelihood-ratio attack in each stratum, shape (strata,) each."""
    sizes = len(left), len(right)
    n_folds = _fold_count(sizes, left.shape[1] // strata)
    scores = rank_scores.normal_scores(left, right)
    where = (likelihood_ratio.fold_numbers(size, n_folds, rng) for size in sizes)
    folds = likelihood_ratio.cross_fit(*scores, *where)
    rows = [[_of_fold(fold, stratum == number) for number in range(strata)] for fold in folds]
    aucs, rates = np.average(rows, axis=0, weights=[len(fold.left) for fold in folds]).T
    return aucs, rates


def _fold_count(sizes: tuple[int, int], examples: int) -> int:
    """Return the number of folds for a stratum of so many examples; each fold has two models of either population or more."""
    possible = [count for count in FOLDS if count <= min(sizes) // 2] or [2]
    return next((count for count in possible if RATE * (sizes[1] // count * examples + 1) >= 1), possible[0])


def _of_fold(fold: likelihood_ratio.Fold, chosen: Flags) -> tuple[float, float]:
    left, right = (np.sort(side[:, chosen], axis=None) for side in (fold.left, fold.right))
    if RATE * (right.size + 1) < 1:
        return roc.auc(left, right), np.nan
    return roc.auc(left, right), float(roc.tpr_at(left, right, np.array([RATE]))[0])
