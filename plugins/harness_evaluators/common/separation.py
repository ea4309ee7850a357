"""How often a value is larger on one sample than on another, per model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def share_above(members: NDArray[Any], others: NDArray[Any]) -> Values:
    """Return, per model, P(member > other) + P(equal) / 2 over all pairs of (N, n) and (N, m); shape (N,)."""
    found = np.empty(len(members))
    for i, (mine, theirs) in enumerate(zip(members, np.sort(others, axis=1), strict=True)):
        below = np.searchsorted(theirs, mine, "left") + np.searchsorted(theirs, mine, "right")
        found[i] = below.mean() / (2 * len(theirs))
    return found
