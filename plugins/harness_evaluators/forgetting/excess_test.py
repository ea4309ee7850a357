"""A permutation test over examples for differences on the forget set that exceed those on the test set.

A different kind of model differs from retrained ones on every example, seen or not; remaining memory shows on the forget set
alone. So each example is first reduced to the distance between unlearned and retrained models on it. These distances are
then compared between forgotten and unseen examples (difference in differences). If unlearned models have no memory of the
forget set, forgotten examples are exchangeable with unseen examples of the same difficulty or class. The test is then exact
for any number of models and any dependence between them: copies of one model differ from retrained ones by as much on the
test set.

Confidences come from :mod:`harness_evaluators.forgetting.placebo`. For wrong classes, their order within an example is used.
Both are invariant to a change of temperature.

Sources: Ashenfelter and Card, "Using the Longitudinal Structure of Earnings to Estimate the Effect of Training Programs"
(1985), for differences in differences; Pesarin, "Multivariate Permutation Tests" (2001), for strata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.forgetting import permutation_test
from harness_evaluators.forgetting.permutation_test import PERMUTATIONS, TOP, Difference, Singles

Values = NDArray[np.float64]
Rows = NDArray[np.int64]

STRATA = 10
"""Most strata of difficulty."""

LEAST_IN_STRATUM = 30
"""Smallest mean number of examples in a stratum."""

OVERLAP = 0.5
"""Share of the forgotten examples that must be in strata with as many unseen ones."""


@dataclass(frozen=True)
class Distances:
    """Distances between compared models and references on each example, forgotten ones first, shape (n + m,) each.

    Attributes:
        location: z-values of the location; signed if ``signed``, else root mean squares over several numbers.
        spread: the same for the spread; None if it is not compared.
        signed: True if the sign has a meaning.
    """

    location: Values
    spread: Values | None
    signed: bool

    @classmethod
    def of(cls, values: NDArray[np.floating], compared: int, *, spread: bool = True) -> Distances:
        """Compare the first ``compared`` of M models with the others.

        Args:
            values: shape (M, n + m), or (M, n + m, k) where an example has several numbers; any scale.
            compared: how many of the models are compared.
            spread: whether to compare the spread over models as well.
        """
        models, examples = values.shape[:2]
        location, squares = permutation_test.rank_scores(values.reshape(models, -1))
        scale = np.sqrt(models / (compared * (models - compared)))
        columns = (location, squares) if spread else (location,)
        found = [scale * one[:compared].sum(axis=0, dtype=np.float64) for one in columns]
        if values.ndim > 2:
            found = [np.sqrt((one.reshape(examples, -1) ** 2).mean(axis=1)) for one in found]
        return cls(found[0], found[1] if spread else None, signed=values.ndim == 2)

    def statistics(self, chosen: Rows, strata: Rows) -> dict[str, Singles]:
        """Return statistics of the difference between the chosen examples and the others; large values mean a difference.

        Args:
            chosen: examples labelled as forgotten, actually (row 0) and in each permutation, shape (B, n).
            strata: of each example.
        """
        found = {}
        both = {"location": self.location} | ({} if self.spread is None else {"spread": self.spread})
        for name, values in both.items():
            if self.signed:
                found[f"{name} mean"] = np.abs(_within(values, strata)[chosen].mean(axis=1))
            found[f"{name} square"] = _within(values**2, strata)[chosen].mean(axis=1)
            sizes = np.abs(values)[chosen]
            top = max(1, round(TOP * sizes.shape[1]))
            found[f"{name} top"] = np.partition(sizes, sizes.shape[1] - top, axis=1)[:, -top:].mean(axis=1)
        return {name: values.astype(np.float32) for name, values in found.items()}


def _within(values: Values, strata: Rows) -> Values:
    """Subtract the mean of each stratum, which removes the effect of difficulty from the test's noise."""
    return np.asarray(values - (np.bincount(strata, values) / np.maximum(np.bincount(strata), 1))[strata])


def test(
    distances: Mapping[str, Distances], strata: Rows, forgotten: int, rng: np.random.Generator
) -> Difference | None:
    """Test whether forgotten examples differ more than unseen ones; None if too few unseen examples share their strata.

    Args:
        distances: by statistic family.
        strata: of each example, from 0 on, forgotten ones first, shape (n + m,).
        forgotten: n.
        rng: of the permutations.
    """
    counts = [np.bincount(one, minlength=strata.max() + 1) for one in (strata[:forgotten], strata[forgotten:])]
    if np.minimum(*counts).sum() < OVERLAP * min(forgotten, len(strata) - forgotten):
        return None
    chosen = _exchanged(strata, forgotten, rng)
    statistics = {what: one.statistics(chosen, strata) for what, one in distances.items()}
    return permutation_test.combine(
        {f"{what}: {name}": values for what, found in statistics.items() for name, values in found.items()}
    )


def by_difficulty(difficulty: Values) -> Rows:
    """Return strata of equal size by a number of each example."""
    count = int(np.clip(len(difficulty) // LEAST_IN_STRATUM, 1, STRATA))
    edges = np.quantile(difficulty, np.arange(1, count) / count)
    return np.asarray(np.searchsorted(edges, difficulty, side="right"))


def _exchanged(strata: Rows, forgotten: int, rng: np.random.Generator) -> Rows:
    """Return the examples labelled as forgotten, shape (PERMUTATIONS + 1, n), permuted within strata."""
    parts = []
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        count = int((members < forgotten).sum())
        order = np.argsort(rng.random((PERMUTATIONS, len(members)), dtype=np.float32), axis=1)[:, :count]
        parts.append(np.concatenate([members[None, :count], members[order]]))
    return np.concatenate(parts, axis=1)
