"""Which runner a plugin gets, and when none is taken in another's place."""

from __future__ import annotations

import pytest

from harness.core.progress import SilentProgress
from harness.errors import DockerUnavailableError, UsageError
from harness.runs.config import RunConfig
from harness.runs.runner_choice import choose_runners


@pytest.fixture
def _no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")  # nothing listens there


@pytest.mark.usefixtures("_no_docker")
def test_without_docker_a_bundled_plugin_gets_a_plain_process_with_a_notice() -> None:
    runners = choose_runners(RunConfig("noop"), SilentProgress())

    runner, _ = runners.runner_for("noop")
    assert runner.facts.name == "process"
    assert "without isolation" in runners.notices[0]


@pytest.mark.usefixtures("_no_docker")
@pytest.mark.parametrize("asked", [{"torch": "2.4.1"}, {"base": "mine:1"}])
def test_what_only_an_image_can_have_is_never_replaced_by_a_process(asked: dict[str, str]) -> None:
    with pytest.raises(DockerUnavailableError):
        choose_runners(RunConfig("noop", **asked), SilentProgress())  # type: ignore[arg-type]


def test_a_process_is_refused_with_another_torch_than_the_installed_one() -> None:
    with pytest.raises(UsageError, match=r"--torch 0\.1 is not available"):
        choose_runners(RunConfig("noop", runner="process", torch="0.1"), SilentProgress())
