"""A random sample of a split's examples, independent of the order in which they are stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, SplitName

Rows = NDArray[np.int64]

MOST = 500
"""Default of the most examples: more change an AUC less than the models' own noise, and an attack's cost grows with them."""


def sample(evidence: Evidence, split: SplitName, among: Rows, most: int = MOST) -> Rows:
    """Return at most ``most`` of the row numbers ``among``, ascending; chosen by ids and the evidence's seed alone."""
    by_id = among[np.argsort(evidence.ids[split][among], kind="stable")]
    return np.sort(evidence.rng(f"sample-{split}").permutation(by_id)[:most])
