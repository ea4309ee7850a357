"""KL divergence of margins: histograms of phi over unlearned and over retrained models, example by example.

Source: Georgiev et al., "Attribute-to-Delete: Machine Unlearning via Datamodel Matching" (2024), appendix E.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import jackknife
from harness_evaluators.common.bootstrap import Linear

Values = NDArray[np.float64]
Places = NDArray[np.int64]
Keep = NDArray[np.bool_]

BINS = 20
CLIP = 100.0
FLOOR = 1e-5
"""Smallest share of retrained models in a bin that contains an unlearned one."""

QUANTILES = (0.5, 0.95)
"""Quantiles over the examples of a split."""

MIN_TO_RESAMPLE = 16
"""Fewest models of each population for intervals: with fewer, the 20 bins hold single models and quantiles jump."""


def divergences(left: Values, right: Values) -> Values:
    """Return KL(histogram of left || histogram of right) in nats for every column of (m, n) and (N, n); shape (n,).

    Values are clipped to +-CLIP. BINS equal bins span the range of both populations on the example; the last bin includes its
    upper edge.
    """
    one, other = places(left, right)
    return divergence_of(counts(one), counts(other))


def places(left: Values, right: Values) -> tuple[Places, Places]:
    """Return the bin, 0 to BINS - 1, of every value of (m, n) and (N, n)."""
    sides = np.clip(left, -CLIP, CLIP), np.clip(right, -CLIP, CLIP)
    low = np.minimum(*(side.min(axis=0) for side in sides))
    width = np.maximum(*(side.max(axis=0) for side in sides)) - low
    scale = BINS / np.where(width > 0, width, 1.0)
    # The largest value is on the last edge; without the minimum it would get bin number BINS.
    one, other = (np.minimum(((side - low) * scale).astype(np.int64), BINS - 1) for side in sides)
    return one, other


def counts(bins: Places) -> Values:
    """Return the number of models in each bin, per example: (N, n) to (n, BINS)."""
    n = bins.shape[1]
    flat = (bins + np.arange(n) * BINS).ravel()
    return np.bincount(flat, minlength=n * BINS).reshape(n, BINS).astype(np.float64)


def divergence_of(left: Values, right: Values) -> Values:
    """Return the KL divergence in nats between counts of shape (n, BINS) each, shape (n,).

    The retrained share of a bin with unlearned models is at least FLOOR; the shares are then scaled to sum to 1.
    """
    p = left / left.sum(axis=1, keepdims=True)
    q = right / right.sum(axis=1, keepdims=True)
    held = p > 0
    q = np.where(held, np.maximum(q, FLOOR), q)
    q /= q.sum(axis=1, keepdims=True)
    ratio = np.where(held, p, 1.0) / np.where(held, q, 1.0)
    return np.asarray((p * np.log(ratio)).sum(axis=1))


@dataclass(frozen=True)
class Summary:
    """The divergences of one population on one split.

    Attributes:
        quantiles: over examples, one per QUANTILES.
        per_example: shape (n,), nats.
    """

    quantiles: tuple[Linear, ...]
    per_example: Values


def summary(left: Values, right: Values) -> Summary:
    """Return divergences of phi, shape (m, n) against retrained (N, n), and their quantiles with the models' contributions."""
    one, other = places(left, right)
    totals = counts(one), counts(other)
    per_example = divergence_of(*totals)
    values = np.quantile(per_example, QUANTILES)
    if min(len(left), len(right)) < MIN_TO_RESAMPLE:
        return Summary(tuple(Linear(float(value)) for value in values), per_example)

    def without_left(keep: Keep) -> Values:
        return np.asarray(np.quantile(divergence_of(totals[0] - counts(one[~keep]), totals[1]), QUANTILES))

    def without_right(keep: Keep) -> Values:
        return np.asarray(np.quantile(divergence_of(totals[0], totals[1] - counts(other[~keep])), QUANTILES))

    lefts = jackknife.contributions(len(left), without_left)
    rights = jackknife.contributions(len(right), without_right)
    return Summary(
        tuple(Linear(float(value), lefts[:, i], rights[:, i]) for i, value in enumerate(values)), per_example
    )
