"""Confidence on a sample of a split's examples."""

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
