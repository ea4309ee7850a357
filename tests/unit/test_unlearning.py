"""When a run waits for a machine at rest before it measures retraining, and when it stops."""

from __future__ import annotations

import pytest

from harness.core.outcomes import Evidence, ModelOutcome, Status
from harness.errors import SandboxError
from harness.runs.config import RunConfig
from harness.runs.retraining import NO_WAIT_VARIABLE, waits
from harness.runs.run_models import InfraErrors


@pytest.mark.parametrize(
    ("options", "variable", "expected"),
    [
        ({}, "", True),
        ({"no_wait": True}, "", False),
        ({}, "1", False),
        ({"clock": "cpu"}, "", False),
        ({"clock": "steps"}, "", False),
    ],
)
def test_only_seconds_on_the_clock_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, object], variable: str, expected: bool
) -> None:
    monkeypatch.setenv(NO_WAIT_VARIABLE, variable)

    assert waits(RunConfig(plugin="x", **options)) is expected  # type: ignore[arg-type]


def ended(message: str | None, code: int | None = None, status: Status = Status.INFRA_ERROR) -> ModelOutcome:
    return ModelOutcome(0, 0, status, evidence=Evidence(error_message=message, guest_exit_code=code))


def test_a_run_stops_at_the_third_infrastructure_error_of_one_cause_and_says_which() -> None:
    errors = InfraErrors()
    errors.count(ended("no GPU"))
    errors.count(ended("no GPU"))

    with pytest.raises(SandboxError, match=r"3 models in a row .*: no GPU\."):
        errors.count(ended("no GPU"))


@pytest.mark.parametrize(
    "between",
    [
        ended("another cause"),
        ended("no GPU", 137),
        ended(None, status=Status.OK),
        ended("x", status=Status.PLUGIN_ERROR),
    ],
)
def test_infrastructure_errors_of_several_causes_do_not_stop_a_run(between: ModelOutcome) -> None:
    errors = InfraErrors()
    for outcome in (ended("no GPU"), ended("no GPU"), between, ended("no GPU"), ended("no GPU")):
        errors.count(outcome)
