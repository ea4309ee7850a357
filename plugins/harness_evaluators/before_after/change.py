"""Features of an example under the models before and after unlearning, and a linear attack on them.

Source of the features: Chen et al., "When machine unlearning jeopardizes privacy" (2021). The posteriors of both models are
sorted by the model before. Differences replace the model after; they span the same space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import phi
from harness_evaluators.common import parallel, posterior_distances

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Labels = NDArray[np.int64]
Columns = NDArray[np.int64]

LARGEST = 10
"""Number of the sorted posteriors that are used."""

CLIP = 30.0
"""Bound of the logit-scaled confidence."""

RIDGE = 1e-3
"""Added to the diagonal of the features' correlations, which are singular because posteriors sum to 1."""

_BLOCK = 200_000
"""Most numbers converted to float64 at once."""

_EXAMPLES = 512
"""Most examples in one matrix product: BLAS starts threads for longer ones, which contend with ours."""

SETS = ("before", "sorted_diff", "direct_diff", "l2", "sorted_concat", "all")


def width(n_classes: int) -> int:
    """Return the number of features."""
    return 2 * min(LARGEST, n_classes) + 5


def columns(n_classes: int) -> Mapping[str, Columns]:
    """Return the columns of :func:`features` that belong to each of SETS."""
    k = min(LARGEST, n_classes)
    own, change = np.arange(k + 2), np.arange(k + 2, 2 * k + 5)
    return {
        "before": own,
        "sorted_diff": change[:k],
        "direct_diff": change[k : k + 1],
        "l2": change[k + 2 :],
        "sorted_concat": np.concatenate([own[:k], change[:k]]),
        "all": np.concatenate([own, change]),
    }


def features(before: Singles, after: Singles, labels: Labels) -> Singles:
    """Return features of each example under each pair of models, shape (B, n, d), from logits of shape (B, n, C).

    Of the model before: its k largest posteriors, that of the true class, the logit-scaled confidence. Of the change
    (before less after): the same numbers in the same order, and the Euclidean distance of the posteriors.
    """
    return features_of(before, after, labels, (phi(before, labels), phi(after, labels)))


def features_of(before: Singles, after: Singles, labels: Labels, phis: tuple[Values, Values]) -> Singles:
    """Return :func:`features` given the logit-scaled confidences of both models, shape (B, n) each."""
    posteriors = posterior_distances.softmax(before), posterior_distances.softmax(after)
    k = min(LARGEST, before.shape[2])
    # Flat positions of the selected posteriors: the largest ones of the model before, then the true class.
    order = np.argsort(posteriors[0], axis=2, kind="stable")[..., : -k - 1 : -1]
    taken = np.concatenate([order, np.broadcast_to(labels[None, :, None], (*before.shape[:2], 1))], axis=2)
    taken += np.arange(0, before.size, before.shape[2]).reshape(*before.shape[:2], 1)
    found = parallel.unfilled((*before.shape[:2], 2 * k + 5), np.float32)
    own, change = found[..., : k + 2], found[..., k + 2 : -1]
    for side, p, confidence in zip((own, change), posteriors, phis, strict=True):
        side[..., :-1] = p.ravel()[taken]
        side[..., -1] = np.clip(confidence, -CLIP, CLIP)
    np.subtract(own, change, out=change)
    difference = posteriors[0] - posteriors[1]
    found[..., -1] = np.sqrt(np.einsum("bnc,bnc->bn", difference, difference))
    return found


@dataclass(frozen=True)
class Moments:
    """Weighted moments of features over the examples of one side, a row per pair of models; they add up.

    Attributes:
        mean: sum of weights times features, shape (..., d).
        square: sum of weights times products of features, shape (..., d, d).
    """

    mean: Values
    square: Values

    def average(self, chosen: NDArray[np.bool_], sizes: NDArray[np.int64]) -> Moments:
        """Return the mean over pairs from the rows ``chosen``, each the sum over ``sizes`` pairs with weights summing to 1."""
        count = sizes[chosen].sum()
        return Moments(self.mean[chosen].sum(axis=0) / count, self.square[chosen].sum(axis=0) / count)

    def covariance(self) -> Values:
        """Return the covariance of a single row, shape (d, d)."""
        return self.square - np.outer(self.mean, self.mean)


def moments(x: Singles, weights: Values, examples: slice) -> Moments:
    """Return moments of features (B, d, n) on some examples, under weights (n,) that sum to 1 on these."""
    d, size = x.shape[1], examples.stop - examples.start
    found = Moments(np.zeros((len(x), d)), np.zeros((len(x), d, d)))

    def work(rows: slice) -> None:
        for start in range(examples.start, examples.stop, _EXAMPLES):
            part = slice(start, min(start + _EXAMPLES, examples.stop))
            wide = x[rows, :, part].astype(np.float64)
            weighted = wide * weights[part]
            found.mean[rows] += weighted.sum(axis=2)
            found.square[rows] += np.matmul(weighted, wide.transpose(0, 2, 1))

    parallel.in_threads(work, parallel.slices(len(x), _BLOCK // max(1, min(size, _EXAMPLES) * d)))
    return found


def discriminant(positive: Moments, negative: Moments, chosen: Columns) -> tuple[Values, float]:
    """Return the weights of all d features, 0 outside ``chosen``, and the offset of Fisher's discriminant; the score is log
    odds.

    It assumes Gaussians of one covariance and equal priors. Constant features are ignored. Source: Fisher (1936).
    """
    difference = positive.mean - negative.mean
    within = (positive.covariance() + negative.covariance()) / 2
    scale = np.sqrt(np.maximum(within.diagonal(), 0.0))
    used = chosen[scale[chosen] > 1e-6]
    weights = np.zeros_like(difference)
    if used.size:
        correlation = within[np.ix_(used, used)] / np.outer(scale[used], scale[used])
        solved = np.linalg.solve(correlation + RIDGE * np.eye(used.size), difference[used] / scale[used])
        weights[used] = solved / scale[used]
    return weights, float(-weights @ (positive.mean + negative.mean) / 2)
