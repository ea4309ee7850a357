"""The OCI runtime that a user asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.runners.docker import isolation, known_runtime
from harness.runners.engine.lockdown import create_arguments
from harness.runners.engine.types import ContainerSpec, EngineInfo
from harness.runs.config import RunConfig

INFO = EngineInfo("27.0", "1.46", "2", runtimes=("runc", "runsc"))


@pytest.mark.parametrize("name", [None, "runsc", "io.containerd.kata.v2"])
def test_a_runtime_that_the_engine_may_have_is_taken(name: str | None) -> None:
    assert known_runtime(name, INFO) == name


def test_a_runtime_that_the_engine_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(UsageError, match=r"--runtime kata: .* available: runc, runsc.*daemon\.json"):
        known_runtime("kata", INFO)


def test_a_runtime_without_containers_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="--runtime"):
        RunConfig(plugin="x", runner="process", runtime="runsc")


def test_the_container_gets_the_runtime_that_was_asked_for() -> None:
    assert create_arguments(ContainerSpec("image", "name", runtime="runsc"))["runtime"] == "runsc"
    assert "runtime" not in create_arguments(ContainerSpec("image", "name"))


@pytest.mark.parametrize(
    ("default", "asked", "words"),
    [
        ("runc", None, "the kernel is shared with the host"),
        ("", None, "the kernel is shared with the host"),
        ("runsc", "io.containerd.runc.v2", "the kernel is shared with the host"),
        ("runc", "runsc", "the kernel is isolated by runsc"),
        ("kata-runtime", None, "the kernel is isolated by kata-runtime"),
    ],
)
def test_the_report_says_whose_kernel_the_container_runs_on(default: str, asked: str | None, words: str) -> None:
    info = replace(INFO, default_runtime=default, security_options=("seccomp",))

    assert isolation(info, asked).endswith(words)


@pytest.mark.parametrize(
    ("options", "profile", "words"),
    [
        (("seccomp",), "builtin", ", default seccomp filter,"),
        (("seccomp",), "/etc/docker/seccomp.json", ", own seccomp filter,"),
        (("seccomp",), "unconfined", ", no seccomp filter from the engine,"),
        ((), "", ", no seccomp filter from the engine,"),
    ],
)
def test_the_report_names_no_filter_that_the_engine_does_not_have(
    options: tuple[str, ...], profile: str, words: str
) -> None:
    assert words in isolation(replace(INFO, security_options=options, seccomp_profile=profile), None)
