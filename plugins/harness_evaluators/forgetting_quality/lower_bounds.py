"""Lower confidence bounds on each example's epsilon, by attacks chosen on one half of the models and tested on the other.

Formulas and sources: :mod:`harness_evaluators.common.clopper_pearson`. The errors of the two halves depend on each other
through the choice of attacks, so counts are not pooled: the larger of the two bounds is used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common.clopper_pearson import certifiable, epsilon_bound, upper
from harness_evaluators.forgetting_quality import statistics, strongest_attack
from harness_evaluators.forgetting_quality.rates import DELTA

__all__ = ["certifiable", "lower", "upper"]

Values = NDArray[np.float64]
Folds = NDArray[np.int64]


def lower(left: Values, right: Values, folds: Folds) -> Values:
    """Return the lower bound for each example, phi of shape (N, n); fold 0 or 1 for each model of both, shape (N + N',)."""
    both = strongest_attack.pool(left, right)
    everyone = strongest_attack.codes(*(np.ones(len(side), dtype=np.bool_) for side in (left, right)))
    found = []
    for fold in (0, 1):
        chosen, judged = (np.where(taken, everyone, np.uint8(0)) for taken in (folds != fold, folds == fold))
        attacks = strongest_attack.strongest_of(both, chosen, "exact", DELTA)
        wrong = statistics.errors(attacks, both, judged)
        found.append(epsilon_bound(wrong[0], wrong[1], strongest_attack.sizes_of(judged)))
    return np.asarray(np.max(found, axis=0))
