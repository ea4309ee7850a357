"""An exact test of whether memory comes back under any condition, beyond what retrained models gain.

Two numbers of each model count under a condition: its excess (mean confidence on the forget set less that on the test set) after
the change, and the gain of the excess by the change. Memory that comes back shows in both. A gain alone would also be seen of
models that were over-forgotten and return to what retrained models answer; an excess alone, of models that had it before.

Each is replaced by its rank over all models, and compared by its mean. The largest mean rank over all conditions has a null
distribution from permutations of the models: after perfect unlearning, unlearned, retrained and control models are exchangeable,
whatever the conditions do. So both tests are exact at any number of models, and the largest of many conditions costs no further
correction. The p-value of a condition is the larger of the two, and that of the whole test the smallest over conditions. Source:
Westfall and Young, "Resampling-Based Multiple Testing" (1993), chapter 2; Berger, "Multiparameter hypothesis testing and
acceptance sampling" (1982) for the larger of two p-values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from harness_evaluators.durability.conditions import Answers, Condition

Values = NDArray[np.float64]

PERMUTATIONS = 1999
ROUNDING = 1e-9


@dataclass(frozen=True)
class Recovery:
    """The outcome of the test.

    Attributes:
        p: one-sided family-wise p-value.
        by_condition: family-wise p-value of each condition, shape (C,).
        strongest: number of the condition with the largest statistic.
    """

    p: float
    by_condition: Values
    strongest: int


def test(found: Sequence[Condition], row: str, references: Sequence[str], rng: np.random.Generator) -> Recovery:
    """Test whether more comes back in the models of ``row`` than in those of ``references``."""
    names = (row, *references)
    after = _columns([one.after for one in found], names)
    gain = after - _columns([one.before for one in found], names)
    compared = len(found[0].after[row].excess)
    labels = _labels(compared, len(after), rng)
    by_condition = np.maximum(*(_family_wise(labels @ _centred_ranks(side)) for side in (after, gain)))
    # Of equally significant conditions, the one with the largest difference of means after the change.
    differences = after[:compared].mean(axis=0) - after[compared:].mean(axis=0)
    strongest = int(np.where(by_condition <= by_condition.min(), differences, -np.inf).argmax())
    return Recovery(float(by_condition[strongest]), by_condition, strongest)


def _family_wise(sums: Values) -> Values:
    """Return the family-wise p-value of each column, from its sum (row 0) and those under each permutation (max-T)."""
    return np.asarray((sums.max(axis=1)[:, None] >= sums[:1] - ROUNDING).mean(axis=0))


def _columns(found: Sequence[Mapping[str, Answers]], names: Sequence[str]) -> Values:
    """Return the excess of each model, shape (M, C)."""
    return np.stack([np.concatenate([one[name].excess for name in names]) for one in found], axis=1)


def _labels(compared: int, models: int, rng: np.random.Generator) -> Values:
    """Return 1 for models labelled as compared, else 0, actually (row 0) and in each permutation."""
    labels = np.zeros((PERMUTATIONS + 1, models))
    labels[0, :compared] = 1
    for one in labels[1:]:
        one[rng.permutation(models)[:compared]] = 1
    return labels


def _centred_ranks(columns: Values) -> Values:
    """Return the ranks of each column, centred and divided by their standard deviation; 0 for constant columns."""
    ranks = rankdata(columns, axis=0) - (len(columns) + 1) / 2
    spread = ranks.std(axis=0)
    return np.asarray(ranks / np.where(spread > 0, spread, 1.0))
