"""The OCI runtime that a user asks for."""

from __future__ import annotations

import pytest

from harness.config import RunConfig
from harness.errors import UsageError
from harness.runners.docker_runner import known_runtime
from harness.runners.engine_types import ContainerSpec, EngineInfo
from harness.runners.lockdown import create_arguments

INFO = EngineInfo("27.0", "1.46", "2", runtimes=("runc", "runsc"))


@pytest.mark.parametrize("name", [None, "runsc", "io.containerd.kata.v2"])
def test_a_runtime_that_the_engine_may_have_is_taken(name: str | None) -> None:
    assert known_runtime(name, INFO) == name


def test_a_runtime_that_the_engine_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(UsageError, match=r"--runtime kata: .* it has runc, runsc.*daemon\.json"):
        known_runtime("kata", INFO)


def test_a_runtime_without_containers_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="--runtime"):
        RunConfig(plugin="x", runner="process", runtime="runsc")


def test_the_container_gets_the_runtime_that_was_asked_for() -> None:
    assert create_arguments(ContainerSpec("image", "name", runtime="runsc"))["runtime"] == "runsc"
    assert "runtime" not in create_arguments(ContainerSpec("image", "name"))
