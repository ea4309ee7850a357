"""Forgotten examples with a twin, an equal or nearly equal example, in another split.

Retrained models have learned a twin in the retain set, and methods are given the validation set. So metrics of the forget
set are also computed without the examples that have a twin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence

LEAST = 2
"""Fewest examples for metrics without twins."""


def without(evidence: Evidence) -> NDArray[np.int64] | None:
    """Return the positions of the forgotten examples that have no twin; None if none has one."""
    masks = [mask for mask in evidence.twins.values() if mask.any()]
    return np.flatnonzero(~np.any(masks, axis=0)) if masks else None


def note(evidence: Evidence) -> str:
    """Return how many forgotten examples have a twin, and where, as a sentence; empty if none has one."""
    counts = {split: int(mask.sum()) for split, mask in evidence.twins.items() if mask.any()}
    if not counts:
        return ""
    total = int(np.any([evidence.twins[split] for split in counts], axis=0).sum())
    listed = ", ".join(f"{count} in the {split} set" for split, count in counts.items())
    return f"Without the {total} of {len(evidence.labels['forget'])} forgotten examples that have a twin: {listed}."
