"""For all tests: those with real containers share one engine, and run one after another though others run beside them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser import browser, chromium  # noqa: F401 -- fixtures

CONTAINERS = ("tests/docker/", "tests/hostile/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n``: all tests with containers to one worker, and the others file by file."""
    from xdist.scheduler import LoadScopeScheduling

    class ContainersTogether(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "containers" if nodeid.startswith(CONTAINERS) else nodeid.partition("::")[0]

    return ContainersTogether(config, log)
