"""For all tests: which of them go to one worker, and processes that are forked."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from harness.core.hardware import available_cores
from tests import forks
from tests.browser import browser, chromium  # noqa: F401 -- fixtures

# Threads of torch's operations take cores from other workers, and a process that has had some must not be forked.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program has it
os.environ.setdefault("HARNESS_NO_WAIT", "1")  # tests measure on busy machines, and look at no time
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # a job in the background: what tests start would never hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("harness", derandomize=True)  # the same examples in every run
settings.load_profile("harness")

SHARING = {
    "containers": ("tests/docker/",),
    "attacks": ("tests/hostile/",),
    "browser": (
        "tests/functional/test_browser",
        "tests/functional/test_leaderboard_browser",
        "tests/functional/test_view_browser",
        "tests/unit/report/test_report_browser",
    ),
    "ground": (
        "tests/functional/test_faults",
        "tests/functional/test_interruption",
        "tests/functional/test_kills",
        "tests/functional/test_run_folder",
    ),
}
"""Files that go to one worker, for they use a fixture of the session that takes seconds."""


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """With ``-n``: all workers share the process to fork from, which takes seconds to import its libraries."""
    node.workerinput["forks"] = forks.address()


def pytest_configure(config: pytest.Config) -> None:
    """In a worker: fork from the shared process."""
    if (given := getattr(config, "workerinput", None)) is not None:
        forks.use(given["forks"])


@pytest.fixture(scope="session", autouse=True)
def _forking() -> Iterator[None]:
    """Guests and workers of runs in this process are forked, which spares them their imports."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in forks.stand_in():
            patch.setattr(module, name, value)
        yield


@pytest.fixture
def real_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guests and workers of this test are new interpreters."""
    for module, name, _ in forks.stand_in():
        monkeypatch.setattr(module, name, subprocess)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """With ``-n auto``: one worker more than there are cores, for those with containers mostly wait."""
    return available_cores() + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n``: file by file, those that share something together, and whole runs before small units."""
    from tests.scheduling import Sharing

    config.option.loadscopereorder = False  # by folder, not by how many tests there are: units, the shortest, come last
    return Sharing(config, log, SHARING)
