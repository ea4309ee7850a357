"""Compiled twins of what :mod:`harness_evaluators._ks` does on columns, equal to rounding.

Both samples of a column are sorted and end with infinity, which is no value of theirs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled, vectorised

Values = NDArray[np.float64]
Numbers = NDArray[np.floating]
Models = NDArray[np.int32]


@compiled
def set_distances(left: Values, right: Values, signed: Values, points: Values) -> None:
    """Set m n times the signed distance of each column, and a point where it is reached; shapes (n, m + 1), (n, N + 1)."""
    m, n = left.shape[1] - 1, right.shape[1] - 1
    for s in range(len(left)):
        one, other = left[s], right[s]
        i = j = best = 0
        signed[s], points[s] = 0.0, min(one[0], other[0])
        while i + j < m + n:  # nearly without branches that no processor could foretell
            value = min(one[i], other[j])
            i, j = i + (one[i] == value), j + (other[j] == value)
            gap = i * n - j * m
            size = abs(gap) * ((one[i] != value) & (other[j] != value))
            if size > best:
                best = size
                signed[s], points[s] = gap, value


@vectorised
def add_contributions(values: Numbers, signed: Values, points: Values, out: Values) -> None:
    """Add to each model, shape (m,), the signs of the columns on which it is not above the point; values of shape (m, n)."""
    signs = np.sign(signed).astype(np.int64)
    for s in range(len(values)):
        total = 0
        for i in range(len(points)):
            total += signs[i] if values[s, i] <= points[i] else 0
        out[s] += total


@compiled
def add_wasserstein(
    left: tuple[Values, Models],
    right: tuple[Values, Models],
    scale: Values,
    distance: Values,
    out: tuple[Values, Values],
) -> None:
    """Set each column's distance in units of ``scale``, and add what every model contributes; sorted rows (n, m), (n, N)."""
    m, n = left[0].shape[1], right[0].shape[1]
    ordered, whose, gaps = np.empty(m + n), np.empty(m + n, np.int64), np.empty(m + n, np.int64)
    for s in range(len(scale)):
        one, other = left[0][s], right[0][s]
        i = j = 0
        for k in range(m + n):
            if j == n or (i < m and one[i] <= other[j]):
                ordered[k], whose[k] = one[i] / scale[s], left[1][s, i]
                i += 1
            else:
                ordered[k], whose[k] = other[j] / scale[s], m + right[1][s, j]
                j += 1
            gaps[k] = i * n - j * m
        total = after = 0.0
        for k in range(m + n - 2, -1, -1):
            step = ordered[k + 1] - ordered[k]
            total += abs(gaps[k]) * step
            after += np.sign(gaps[k]) * step
            if whose[k] < m:
                out[0][whose[k]] += after
            else:
                out[1][whose[k] - m] += after
        distance[s] = total / (m * n)


@compiled
def set_tails(levels: NDArray[np.int64], m: int, n: int, out: Values) -> None:
    """Set what :func:`harness_evaluators._ks_null.tail_probabilities` gives, one level after the other; shape (n_levels,)."""
    now = np.empty(m + 1)
    for s in range(len(levels)):
        level = levels[s]
        now[:] = 1
        now[0] = level <= 0
        for t in range(1, m + n + 1):
            low = max(0, t - n, (t * m - level) // (m + n))
            high = min(m, t, (t * m + level) // (m + n) + 1)
            for i in range(high, low - 1, -1):
                if abs(i * n - (t - i) * m) >= level:
                    now[i] = 1
                else:
                    from_left = now[i - 1] * i if i > 0 else 0.0
                    now[i] = (now[i] * (t - i) + from_left) / t
        out[s] = now[m]
