"""When a run waits for a machine at rest before it measures retraining."""

from __future__ import annotations

import pytest

from harness.config import RunConfig
from harness.unlearning import NO_WAIT_VARIABLE, waits


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
