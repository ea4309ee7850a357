"""Area under the ROC curve of many models at once, examples weighted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Scores = NDArray[np.floating]


def aucs(positive: Scores, negative: Scores, weights: tuple[Values, Values]) -> Values:
    """P(positive > negative) + P(equal) / 2 for each row of scores (N, a) and (N, b); result (N,).

    Args:
        positive: scores of positive examples.
        negative: scores of negative ones.
        weights: of both, shape (a,) and (b,), summing to 1 each.
    """
    scores = np.concatenate([positive, negative], axis=1)
    order = np.argsort(scores, axis=1)
    ordered = np.take_along_axis(scores, order, axis=1)
    below = np.cumsum(np.concatenate([np.zeros(len(weights[0])), weights[1]])[order], axis=1)
    changes = ordered[:, 1:] != ordered[:, :-1]
    edge = np.ones((len(scores), 1), dtype=np.bool_)
    # Within a tie, the weight below its start and that up to its end hold for every member.
    start = np.where(
        np.concatenate([edge, changes], axis=1), np.concatenate([0 * below[:, :1], below[:, :-1]], axis=1), 0
    )
    end = np.where(np.concatenate([changes, edge], axis=1), below, np.inf)
    start = np.maximum.accumulate(start, axis=1)
    end = np.minimum.accumulate(end[:, ::-1], axis=1)[:, ::-1]
    mine = np.concatenate([weights[0], np.zeros(len(weights[1]))])[order]
    return np.asarray(np.einsum("bn,bn->b", mine, (start + end) / 2))
