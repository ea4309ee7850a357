"""Coverage of the intervals; the tables are those of ``python -m benchmarks.intervals``."""

from __future__ import annotations

import numpy as np

from benchmarks.intervals.populations import KINDS, evidence
from harness_evaluators import lira
from tests.unit.evaluators.helpers import metric


def test_intervals_of_alike_populations_hold_one_half_and_are_not_too_wide() -> None:
    found = [metric(lira.evaluate(evidence(KINDS[0], 16, 0.0, seed)), "auc") for seed in range(12)]
    sides = [(one.value, one.interval) for one in found] + [(one.control, one.control_interval) for one in found]
    values = np.array([value for value, _ in sides])
    ends = np.array([(interval.low, interval.high) for _, interval in sides if interval])

    assert len(ends) == 24
    assert ((ends[:, 0] <= 0.5) & (ends[:, 1] >= 0.5)).mean() >= 0.8
    assert 0.7 < np.diff(ends).mean() / 3.92 / values.std(ddof=1) < 1.6
