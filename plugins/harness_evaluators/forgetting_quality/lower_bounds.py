"""Lower confidence bounds on epsilon, by attacks that are chosen on one half of the models and tested on the other.

The errors of an attack among models that did not choose it are binomial, so Clopper and Pearson's upper limits (1934) hold
for its error rates. With the limits FPR and FNR, at the same time,

    epsilon >= max(ln((1 - delta - FPR) / FNR), ln((1 - delta - FNR) / FPR)),

and 0 if that is negative. Source: Jagielski, Ullman and Oprea, "Auditing Differentially Private Machine Learning" (2020).

Both halves are tested in turn. Their errors depend on each other through the choice of attacks, so counts are not pooled: the
larger of the two bounds is used, and each of the four limits holds at 1 - 0.05 / 4 (Bonferroni).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from harness_evaluators.forgetting_quality import statistics, strongest_attack
from harness_evaluators.forgetting_quality.rates import DELTA

Values = NDArray[np.float64]
Folds = NDArray[np.int64]

LEVEL = 0.95
"""Confidence level of the bound of one example."""

_TAIL = (1 - LEVEL) / 4


def upper(errors: NDArray[np.integer], n_models: int) -> Values:
    """Return Clopper and Pearson's upper limit of a rate, at 1 - 0.05 / 4, from errors among n models."""
    counts = np.asarray(errors, dtype=np.float64)
    inside = np.minimum(counts, n_models - 1)
    return np.where(counts >= n_models, 1.0, betaincinv(inside + 1, n_models - inside, 1 - _TAIL))


def bound(
    unlearned_errors: NDArray[np.integer], retrained_errors: NDArray[np.integer], sizes: tuple[int, int]
) -> Values:
    """Return the lower confidence bound of epsilon from errors among so many models; at least 0."""
    one, other = upper(unlearned_errors, sizes[0]), upper(retrained_errors, sizes[1])
    right = [np.log(np.maximum(1 - DELTA - rate, np.finfo(np.float64).tiny)) for rate in (one, other)]
    return np.asarray(np.maximum(np.maximum(right[0] - np.log(other), right[1] - np.log(one)), 0.0))


def certifiable(n_models: int) -> float:
    """Return the largest bound that n models of each population can give: no error in the tested half."""
    half, none = n_models // 2, np.zeros(1, dtype=np.int64)
    return float(bound(none, none, (n_models - half, n_models - half))[0])


def lower(left: Values, right: Values, folds: Folds) -> Values:
    """Return the lower bound for each example, phi of shape (N, n); fold 0 or 1 for each model of both, shape (N + N',)."""
    both = strongest_attack.pool(left, right)
    everyone = strongest_attack.codes(*(np.ones(len(side), dtype=np.bool_) for side in (left, right)))
    found = []
    for fold in (0, 1):
        chosen, judged = (np.where(taken, everyone, np.uint8(0)) for taken in (folds != fold, folds == fold))
        attacks = strongest_attack.strongest_of(both, chosen, "exact", DELTA)
        wrong = statistics.errors(attacks, both, judged)
        found.append(bound(wrong[0], wrong[1], strongest_attack.sizes_of(judged)))
    return np.asarray(np.max(found, axis=0))
