"""The checks as pytest tests; an author's complete test file is ::

    def test_conformance(check_unlearner):
        check_unlearner("mymethod")

which expands to one test per check. ``--unlearner-runner docker`` runs them in the sandbox. To skip a check that is known to
fail, deselect its test, e.g. ``--deselect 'tests/test_it.py::test_conformance[keeps-its-budget]'``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.conformance.running import Examination

FIXTURE = "check_unlearner"
RUNNER = "--unlearner-runner"
CheckUnlearner = Callable[..., None]
Examine = Callable[..., "Examination"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that selects the runner."""
    group = parser.getgroup("harness", "conformance of unlearners")
    group.addoption(
        RUNNER,
        default="process",
        help="Runner of the unlearners under test: process (default), docker, auto (Docker if available), or another's name.",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise tests that use the fixture over all checks."""
    if FIXTURE in metafunc.fixturenames:
        from harness.conformance.check_functions import CHECKS

        metafunc.parametrize(FIXTURE, list(CHECKS), indirect=True)


@pytest.fixture(scope="session")
def _examine(request: pytest.FixtureRequest) -> Iterator[Examine]:
    """Yield a function that returns the examination of a plugin; its guests stay warm until the end of the session."""
    from harness.conformance.running import Examination, opened
    from harness.core.progress import SilentProgress

    runner = request.config.getoption(RUNNER)
    examined: dict[tuple[str, str], Examination] = {}
    with ExitStack() as stack:

        def examine(plugin: str, **options: object) -> Examination:
            key = plugin, repr(sorted(options.items()))
            if key not in examined:
                trials = stack.enter_context(opened(plugin, runner, options, SilentProgress()))
                examined[key] = Examination(trials)
            return examined[key]

        yield examine


@pytest.fixture
def check_unlearner(request: pytest.FixtureRequest, _examine: Examine) -> CheckUnlearner:
    """Return a function that runs this test's check on an unlearner (a name, wheel or source directory) with options."""
    name: str = request.param

    def check(plugin: str, **options: object) -> None:
        finding = _examine(plugin, **options).finding(name)
        if finding.status == "skipped":
            pytest.skip(finding.detail)
        if finding.status == "fail":
            pytest.fail(f"{finding.check.demand}\n{finding.detail}\n{finding.advice}", pytrace=False)

    return check
