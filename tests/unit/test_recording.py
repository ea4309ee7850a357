"""What a report warns of."""

from __future__ import annotations

from harness.core.outcomes import ModelOutcome, Status
from harness.runs.unjudged import unchanged_warnings


def outcome(unchanged: bool | None, status: Status = Status.OK) -> ModelOutcome:
    return ModelOutcome(0, 0, status, unchanged=unchanged)


def test_models_that_came_back_as_they_were_are_counted_among_those_that_finished() -> None:
    outcomes = [outcome(True), outcome(False), outcome(None, Status.TIMEOUT), outcome(True, Status.OUTPUT_INVALID)]

    assert unchanged_warnings(outcomes) == ["The weights are the original's, bit for bit, in 1 of 2 models."]
    assert unchanged_warnings([outcome(False), outcome(None, Status.OOM)]) == []
