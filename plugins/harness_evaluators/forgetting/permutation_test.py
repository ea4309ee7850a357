"""An exact test for any difference between unlearned and retrained models, over permutations of models.

If unlearning is perfect, unlearned, retrained and control models are draws from one distribution, so any permutation of
them is equally likely. A test that permutes models is therefore exact at any number of models, for any dependence between
examples, tails and ties. Many statistics are computed on the same permutations. Each is scaled to its own permutation
distribution and the largest one is the test statistic, which controls the family-wise error.

All statistics are computed from ranks, example by example, so that neither a change of scale nor an outlying model can hide
or fake a difference.

Sources: Westfall and Young, "Resampling-Based Multiple Testing" (1993), for the maximum over statistics; Wilcoxon (1945)
and Mood (1954) for location and spread by ranks; Gretton et al., "A Kernel Two-Sample Test" (2012) for the joint test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Values = NDArray[np.float64]
Singles = NDArray[np.float32]

PERMUTATIONS = 999
"""Number of permutations; p-values are multiples of 1 / (PERMUTATIONS + 1)."""

TOP = 0.02
"""Share of examples, those with the largest difference, averaged in a statistic that is sensitive to few remembered examples."""

BLOCK = 64
"""Columns ranked, or permutations summarised, at once, so that they stay in the processor's cache."""

ROUNDING = 1e-5
"""Tolerance for equal scaled statistics: single precision may round equal permutations differently."""

BANDWIDTHS = (0.25, 1.0, 4.0)
"""Bandwidths of the Gaussian kernel, as multiples of the median squared distance between two models."""


@dataclass(frozen=True)
class Labels:
    """Models labelled as unlearned, actually (row 0) and in each permutation.

    Attributes:
        chosen: 1 for models labelled as unlearned, else 0, shape (PERMUTATIONS + 1, M), float32.
        scale: factor from a sum over chosen models of standardised numbers to a z-value.
    """

    chosen: Singles
    scale: float

    @classmethod
    def draw(cls, unlearned: int, others: int, rng: np.random.Generator) -> Labels:
        """Draw the permutations for models in the order unlearned, others."""
        models = unlearned + others
        chosen = np.zeros((PERMUTATIONS + 1, models), dtype=np.float32)
        chosen[0, :unlearned] = 1
        for row in chosen[1:]:
            row[rng.permutation(models)[:unlearned]] = 1
        return cls(chosen, float(np.sqrt(models / (unlearned * others))))

    def z_values(self, columns: NDArray[np.floating]) -> Singles:
        """Return the difference between the chosen models' mean and the others', in standard deviations, per permutation.

        Args:
            columns: numbers of each model, shape (M, n), each column with mean 0 and variance 1.

        Returns:
            shape (PERMUTATIONS + 1, n).
        """
        return np.asarray(self.chosen @ (columns * self.scale).astype(np.float32, copy=False))


@dataclass(frozen=True)
class Difference:
    """The outcome of a test.

    Attributes:
        p: the family-wise p-value over all statistics; 1 if nothing varies.
        statistic: name of the most extreme statistic.
        scaled: per statistic, its place in its permutation distribution: 0 at the median, 1 at the 95 % point.
    """

    p: float
    statistic: str
    scaled: Mapping[str, float]


def centred_ranks(values: NDArray[np.floating]) -> Singles:
    """Return mid-ranks of each column, less their mean and divided by their standard deviation; 0 for constant columns."""
    return rank_scores(values)[0]


def rank_scores(values: NDArray[np.floating]) -> tuple[Singles, Singles]:
    """Return centred ranks of each column, and their squares standardised in the same way, shape (M, n) each.

    The squares are large for models at either end (Mood's scores).
    """
    places = np.arange(1.0, len(values) + 1)[:, None]
    tables = [table[:, 0].astype(np.float32) for table in _scores(places)]
    found = [np.full(values.shape[::-1], np.nan, dtype=np.float32) for _ in tables]
    for start in range(0, values.shape[1], BLOCK):
        rows = np.ascontiguousarray(values[:, start : start + BLOCK].T)
        order = np.argsort(rows, axis=1)
        ordered = np.take_along_axis(rows, order, axis=1)
        tied = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        shared = _scores(rankdata(rows[tied], axis=1).T) if tied.any() else None
        for number, (table, scores) in enumerate(zip(tables, found, strict=True)):
            block = scores[start : start + BLOCK]
            np.put_along_axis(block, order, table[None, :], axis=1)
            if shared is not None:
                block[tied] = shared[number].T
    return found[0].T, found[1].T


def _scores(ranks: Values) -> tuple[Values, Values]:
    location = _standardised(ranks)
    return location, _standardised(location**2)


def _standardised(columns: NDArray[np.floating]) -> Values:
    centred = columns - columns.mean(axis=0, dtype=np.float64)
    spread = centred.std(axis=0, ddof=1)
    return np.asarray(centred / np.where(spread > 1e-12, spread, np.inf))


def marginal(labels: Labels, values: NDArray[np.floating]) -> dict[str, Singles]:
    """Compare the distribution of each column: location and spread, over all columns and for the most different ones.

    Args:
        labels: the permutations.
        values: shape (M, n), any scale.

    Returns:
        per statistic, shape (PERMUTATIONS + 1,); large values mean a difference.
    """
    location, spread = rank_scores(values)
    return _summaries(labels.z_values(location), "location") | _summaries(labels.z_values(spread), "spread")


def _summaries(z: Singles, name: str) -> dict[str, Singles]:
    blocks = [_summaries_of_rows(z[start : start + BLOCK]) for start in range(0, len(z), BLOCK)]
    return {f"{name} {one}": np.concatenate([block[one] for block in blocks]) for one in blocks[0]}


def _summaries_of_rows(z: Singles) -> dict[str, Singles]:
    sizes = np.abs(z)
    top = max(1, round(TOP * z.shape[1]))
    largest = np.partition(sizes, z.shape[1] - top, axis=1)[:, -top:]
    return {
        "mean": np.abs(z.mean(axis=1)),
        "square": (z**2).mean(axis=1),
        "top": largest.mean(axis=1),
        "largest": sizes.max(axis=1),
    }


def joint(labels: Labels, values: Values) -> dict[str, Singles]:
    """Compare joint patterns of columns: each model's mean and spread over columns, and kernel distances between models.

    Args:
        labels: the permutations.
        values: shape (M, n), any scale.

    Returns:
        per statistic, shape (PERMUTATIONS + 1,).
    """
    ranks = centred_ranks(values).astype(np.float64)
    whole = _standardised(np.stack([ranks.mean(axis=1), ranks.std(axis=1)], axis=1))
    location = np.abs(labels.z_values(whole))
    spread = np.abs(labels.z_values(rank_scores(whole)[1]))
    found = {"model deviation": location[:, 1], "spread of model mean": spread[:, 0]}
    found["spread of model deviation"] = spread[:, 1]
    distances = _squared_distances(ranks)
    middle = np.median(distances[np.triu_indices(len(distances), 1)])
    for width in BANDWIDTHS if middle > 0 else ():
        found[f"kernel {width:g}"] = _kernel_distance(labels, np.exp(-distances / (2 * width * middle)))
    if middle > 0:
        within = np.einsum("bm,bm->b", labels.chosen @ distances.astype(np.float32), labels.chosen)
        found["diversity"] = np.abs(within - np.median(within))
    return found


def _squared_distances(rows: Values) -> Values:
    products = rows @ rows.T
    norms = np.diag(products)
    return np.asarray(np.maximum(norms[:, None] + norms[None, :] - 2 * products, 0.0))


def _kernel_distance(labels: Labels, kernel: Values) -> Singles:
    """Return the squared maximum mean discrepancy of each permutation, up to a constant factor."""
    centred = kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None] + kernel.mean()
    return np.asarray(np.einsum("bm,bm->b", labels.chosen @ centred.astype(np.float32), labels.chosen))


def combine(statistics: Mapping[str, Singles]) -> Difference:
    """Combine statistics of the same permutations into one p-value.

    Each statistic is scaled so that its permutation distribution has its median at 0 and its 95 % point at 1; the
    largest scaled statistic of the real labels is then compared with the largest of each permutation.
    """
    usable = {name: values for name, values in statistics.items() if np.ptp(values) > 0}
    if not usable:
        return Difference(1.0, "", {})
    table = np.stack(list(usable.values()), axis=1).astype(np.float64)
    middle, high = np.quantile(table, (0.5, 0.95), axis=0)
    scaled = (table - middle) / np.maximum(high - middle, 1e-9 * np.maximum(np.abs(high), 1e-30))
    largest = scaled.max(axis=1)
    p = float((largest >= largest[0] - ROUNDING).mean())
    real = {name: float(value) for name, value in zip(usable, scaled[0], strict=True)}
    return Difference(p, max(real, key=lambda name: real[name]), real)


def adjusted_p(labels: Labels, values: Values) -> tuple[Values, Values]:
    """Return each column's z-value and its p-value adjusted for the number of columns (single-step max-T).

    The probability of naming any column without a true difference is at most the level.

    Args:
        labels: the permutations.
        values: shape (M, n).

    Returns:
        z-values, positive if unlearned models have larger values, and adjusted p-values, shape (n,) each.
    """
    z = labels.z_values(centred_ranks(values))
    largest = np.sort(np.abs(z).max(axis=1))
    above = len(largest) - np.searchsorted(largest, np.abs(z[0]) * (1 - 1e-6), side="left")
    return z[0].astype(np.float64), above / len(largest)
