"""Confidence on a sample of a split's examples, and how often it is larger on one sample than on another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Population, SplitName
from harness_evaluators.common.evidence_analysis import Analysis, phi_of

Values = NDArray[np.float64]
Rows = NDArray[np.int64]


def phi(analysis: Analysis, population: Population, split: SplitName, rows: Rows) -> Values:
    """Return phi of a population on some examples of a split, shape (N, number of rows)."""
    evidence = analysis.evidence
    return phi_of(evidence.logits[population][split][:, rows], evidence.labels[split][rows])


def share_above(members: Values, others: Values) -> Values:
    """Return, per model, P(member > other) + P(equal) / 2 over all pairs of (N, n) and (N, m); shape (N,)."""
    found = np.empty(len(members))
    for i, (mine, theirs) in enumerate(zip(members, np.sort(others, axis=1), strict=True)):
        below = np.searchsorted(theirs, mine, "left") + np.searchsorted(theirs, mine, "right")
        found[i] = below.mean() / (2 * len(theirs))
    return found
