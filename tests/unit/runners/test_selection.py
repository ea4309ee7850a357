"""Which runner a plugin gets, and when none is taken in another's place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from harness.core.progress import SilentProgress
from harness.doctor.runner_contract import CHECKS, ContractCheck, closes, contract_checks, runs_beside
from harness.errors import DockerUnavailableError, PluginLoadError, PluginNotFoundError, UsageError
from harness.plugins.discovery import FoundPlugin, find_plugins
from harness.runners.engines import podman_host
from harness.runners.process_provider import ProcessProvider
from harness.runners.registry import RUNNERS, load_runner, provider_faults
from harness.runs.config import RunConfig
from harness.runs.reaping import reap_guests
from harness.runs.runner_choice import check_runner, choose_runners

HOOK = "import pluggy\n@pluggy.HookimplMarker('harness')\ndef harness_runner():"


@pytest.fixture
def _no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.setenv(variable, "tcp://127.0.0.1:1")  # nothing listens there


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


def test_an_unknown_runner_is_refused_with_the_list_of_those_that_are_there() -> None:
    with pytest.raises(
        PluginNotFoundError, match=r"'podmn'.*Did you mean 'podman'\? Known: auto, docker, podman, process"
    ):
        choose_runners(RunConfig("noop", runner="podmn"), SilentProgress())


def test_podman_that_is_not_there_is_an_error_that_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINER_HOST", "tcp://127.0.0.1:1")

    with pytest.raises(DockerUnavailableError, match=r"No Podman service.*podman system service --time=0"):
        check_runner(RunConfig("noop", runner="podman"), SilentProgress())


def test_an_option_that_a_runner_cannot_obey_is_refused() -> None:
    with pytest.raises(UsageError, match="--base cannot be obeyed by the runner 'process'"):
        choose_runners(RunConfig("noop", runner="process", base="mine:1"), SilentProgress())


class Whole:
    """A provider with everything that the contract names, and no guests."""

    name, isolates, obeys = "mine", False, frozenset[str]()

    def check(self, request: object) -> None: ...
    def open(self, request: object) -> None: ...
    def reap(self, *, dry_run: bool) -> tuple[list[str], list[str]]: ...
    def remains(self, run_id: str) -> list[str]: ...
    def remove(self, run_id: str) -> None: ...


def test_a_whole_provider_has_no_faults() -> None:
    assert provider_faults(Whole(), "mine") == []


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (None, "its hook returns None"),
        (Whole, "in place of a provider"),
        (type("Nameless", (Whole,), {"name": "other"})(), "must be that of the entry point"),
        (type("Undecided", (Whole,), {"isolates": "yes"})(), "isolates is not True or False"),
        (type("Boastful", (Whole,), {"obeys": {"everything"}})(), "obeys is not a set of torch, base, runtime"),
        (type("Closed", (Whole,), {"open": None})(), "no method open"),
    ],
)
def test_what_is_no_provider_is_named_with_its_faults(provider: object, words: str) -> None:
    assert words in "; ".join(provider_faults(provider, "mine"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("import os; os._exit(3)", "ends the process (exit code 3)"),
        ("x = 1", "does not implement the hook 'harness_runner'"),
        (f"{HOOK}\n    return object()", "is no runner: it has no method check"),
    ],
)
def test_a_broken_runner_is_an_error_with_its_distribution_and_stops_no_other(
    code: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_runner_module.py").write_text(code)
    metadata = tmp_path / "broken_runner-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-runner\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[harness.runners]\nmine = broken_runner_module\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_runner_module", raising=False)

    with pytest.raises(PluginLoadError) as caught:
        load_runner("mine")
    assert words in str(caught.value)
    assert "broken-runner 1" in str(caught.value)
    assert load_runner("process").name == "process"


@pytest.mark.usefixtures("_no_docker")
def test_a_broken_runner_does_not_stop_the_reaping_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = FoundPlugin(RUNNERS, "mine", "no.such.module", "broken-runner", "1")
    monkeypatch.setattr("harness.runs.reaping.find_plugins", lambda _group: (mine, *find_plugins(RUNNERS)))

    _, notes = reap_guests(dry_run=True)

    assert [note.partition(":")[0] for note in notes] == [
        "Guests of the runner mine were not checked",
        "Containers were not checked, because no Docker engine answers",
    ]


def test_podmans_socket_is_the_users_own_before_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman/podman.sock").touch()

    assert podman_host() == f"unix://{tmp_path}/podman/podman.sock"


@pytest.mark.parametrize(
    "chosen",
    [(closes, runs_beside), pytest.param(CHECKS, marks=pytest.mark.slow)],
    ids=["a_part", "all"],
)
def test_plain_processes_keep_the_contract(chosen: tuple[ContractCheck, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.doctor.runner_contract.CHECKS", chosen)

    checks = contract_checks(load_runner("process"), SilentProgress())

    assert [(check.name, check.detail) for check in checks if check.status != "ok"] == []
    assert len(checks) == len(chosen)


class Careless(ProcessProvider):
    """A provider that breaks promises, one at a time."""

    def __init__(self, **changes: object) -> None:
        self.__dict__.update(changes)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"name": "other"}, {"tells-facts"}),
        ({"isolates": True}, {"tells-facts", "enforces-limits"}),
        ({"reap": lambda **_: ([], [])}, {"reaps"}),
        ({"remove": lambda _run_id: None}, {"removes"}),
    ],
)
def test_a_runner_that_breaks_a_promise_fails_that_check(
    changes: dict[str, object], broken: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [check for check in CHECKS if check.__name__.replace("_", "-") in broken]
    monkeypatch.setattr("harness.doctor.runner_contract.CHECKS", tuple(wanted))
    provider = Careless(**changes)
    try:
        checks = contract_checks(provider, SilentProgress())
    finally:
        load_runner("process").reap(dry_run=False)

    assert {check.name for check in checks if check.status == "fail"} == broken


def test_the_runner_of_the_documentation_is_whole() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/write-a-runner.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 -- our own page

    assert provider_faults(names["SECOND"], "second") == []
    assert names["SECOND"].harness_runner() is names["SECOND"]
