"""Two-sample Kolmogorov-Smirnov distances of many examples at once; arrays hold one column per example."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Numbers = NDArray[np.floating]


def distances(left: Numbers, right: Numbers) -> Values:
    """Return D = sup |F_left - F_right| of columns (m, n) and (N, n), with the sign of the difference there, shape (n,)."""
    m, n = len(left), len(right)
    ordered, is_left = _merge(left, right)
    gaps = np.cumsum(np.where(is_left, n, -m), axis=1)
    # Both distribution functions jump at all values of a tie together, so only its last position counts.
    gaps[:, :-1][ordered[:, 1:] == ordered[:, :-1]] = 0
    at = np.abs(gaps).argmax(axis=1)[:, None]
    return np.asarray(np.take_along_axis(gaps, at, axis=1)[:, 0] / (m * n))


def _merge(left: Numbers, right: Numbers) -> tuple[Values, NDArray[np.bool_]]:
    """Return both samples of every column sorted together, shape (n, m + N), and a mask of the left sample's values.

    The last bit of each number encodes its sample, so that a direct sort replaces an argsort. Values that differ in that bit
    alone count as tied.
    """
    both = np.concatenate([left, right]).T.astype(np.float64, order="C")
    bits = both.view(np.int64)
    bits &= -2
    bits[:, : len(left)] |= 1
    both.sort(axis=1)
    is_left = (bits & 1).astype(np.bool_)
    bits &= -2
    return both, is_left
