"""What evaluators are told of the times of models."""

from __future__ import annotations

from harness.core.outcomes import ModelOutcome, Status
from harness.runs.budget import Limit
from harness.runs.scoring import _timings


def test_the_times_that_evaluators_see_are_those_charged_without_the_import() -> None:
    limit = Limit(1.0, "fraction", 0.5, retrain_s=(2.0,), key="k")
    outcomes = [ModelOutcome(index, 0, Status.OK, charged_s=0.5, import_s=30.0) for index in range(2)]

    timings = _timings(outcomes, limit)

    assert timings.unlearn_s.tolist() == [0.5, 0.5]
    assert timings.limit_s == 1.0
