"""Many tests at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def rejected_share(p_values: Values, level: float = 0.05) -> float:
    """Share of hypotheses that the procedure of Benjamini and Hochberg (1995) rejects at a false discovery rate.

    Rejected are the k smallest p-values for the largest k with p_(k) <= k level / n.
    """
    ordered = np.sort(p_values)
    within = np.flatnonzero(ordered <= level * np.arange(1, ordered.size + 1) / ordered.size)
    return float((within[-1] + 1) / ordered.size) if within.size else 0.0
