"""KLoM as EasyDUB's released code computes it, for comparison with published numbers only.

It differs from :mod:`harness_evaluators.klom.histograms` in two points. All bins are half-open, so that the values equal to
the largest one of both populations are in no bin; both sides are divided by the number of values that are left. The share of
retrained models in a bin with an unlearned one is at least FLOOR, and is not scaled to sum to 1 again. Source: the file
``easydub/eval.py`` of github.com/easydub/EasyDUB-code at commit 5de3c4c.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.klom.histograms import BINS, CLIP, FLOOR

Values = NDArray[np.float64]


def divergences(left: Values, right: Values) -> Values:
    """Return the released estimate in nats for every column of (m, n) and (N, n); shape (n,).

    It is 0 if no value of ``left`` is in a bin, and may be negative: the floored shares sum to more than 1, and without any
    value of ``right`` in a bin all of them are FLOOR.
    """
    sides = np.clip(left, -CLIP, CLIP), np.clip(right, -CLIP, CLIP)
    low = np.minimum(*(side.min(axis=0) for side in sides))
    high = np.maximum(*(side.max(axis=0) for side in sides))
    edges = np.linspace(low, np.where(high > low, high, low + 1), BINS + 1)
    p, q = (_shares(side, edges) for side in sides)
    held = p > 0
    ratio = np.where(held, p, 1.0) / np.where(held, np.maximum(q, FLOOR), 1.0)
    return np.asarray((p * np.log(ratio)).sum(axis=0))


def _shares(side: Values, edges: Values) -> Values:
    """Return the share of each half-open bin among the values in any bin, shape (BINS, n); 0 if there are none."""
    at_least = np.array([(side >= edge).sum(axis=0) for edge in edges])
    counts = at_least[:-1] - at_least[1:]
    return np.asarray(counts / np.maximum(counts.sum(axis=0), 1))
