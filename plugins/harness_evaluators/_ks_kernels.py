"""Compiled twins of what :mod:`harness_evaluators._ks` does on columns, equal to rounding.

Both samples of a column are sorted and end with infinity, which is no value of theirs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators._compiled import compiled

Values = NDArray[np.float64]


@compiled
def set_distances(left: Values, right: Values, signed: Values) -> None:
    """Set m n times the signed distance of each column; shapes (n, m + 1), (n, N + 1).

    Two columns at once: each step of one waits for what the step before it compared.
    """
    m, n = left.shape[1] - 1, right.shape[1] - 1
    for begin in range(0, len(left), 2):
        s, t = begin, min(begin + 1, len(left) - 1)
        one, other, one_2, other_2 = left[s], right[s], left[t], right[t]
        i = j = i_2 = j_2 = np.uint64(0)
        gap = gap_2 = best = best_2 = 0
        signed[s] = signed[t] = 0.0
        for _ in range(m + n):  # nearly without branches that no processor could foretell
            first, first_2 = one[i] <= other[j], one_2[i_2] <= other_2[j_2]
            value, value_2 = one[i] if first else other[j], one_2[i_2] if first_2 else other_2[j_2]
            i, j, gap = i + np.uint64(first), j + np.uint64(not first), gap + (n if first else -m)
            i_2, j_2, gap_2 = i_2 + np.uint64(first_2), j_2 + np.uint64(not first_2), gap_2 + (n if first_2 else -m)
            size = abs(gap) * ((one[i] != value) & (other[j] != value))
            size_2 = abs(gap_2) * ((one_2[i_2] != value_2) & (other_2[j_2] != value_2))
            if size > best:
                best = size
                signed[s] = gap
            if size_2 > best_2:
                best_2 = size_2
                signed[t] = gap_2


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
