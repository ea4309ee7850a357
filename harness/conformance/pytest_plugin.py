"""The checks as pytest tests: an author's whole test file is ::

    def test_conformance(check_unlearner):
        check_unlearner("mymethod")

which becomes one test for each check. ``--unlearner-runner docker`` runs them in the sandbox. Where one check is known not to
hold, deselect its test, e.g. ``--deselect 'tests/test_it.py::test_conformance[keeps-its-budget]'``.
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
    """Add the choice of the runner."""
    group = parser.getgroup("harness", "conformance of unlearners")
    group.addoption(
        RUNNER,
        choices=("process", "docker", "auto"),
        default="process",
        help="Where unlearners under test run: a plain process (default), or the Docker sandbox.",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each check where a test asks for the fixture."""
    if FIXTURE in metafunc.fixturenames:
        from harness.conformance.demands import CHECKS

        metafunc.parametrize(FIXTURE, list(CHECKS), indirect=True)


@pytest.fixture(scope="session")
def _examine(request: pytest.FixtureRequest) -> Iterator[Examine]:
    """Gives the examination of a plugin; its guests stay warm until the end of the session."""
    from harness.conformance.running import Examination, opened
    from harness.progress import SilentProgress

    runner = request.config.getoption(RUNNER)
    examined: dict[tuple[str, str], Examination] = {}
    with ExitStack() as stack:

        def examine(plugin: str, **options: object) -> Examination:
            key = plugin, repr(sorted(options.items()))
            if key not in examined:
                bench = stack.enter_context(opened(plugin, runner, options, SilentProgress()))
                examined[key] = Examination(bench)
            return examined[key]

        yield examine


@pytest.fixture
def check_unlearner(request: pytest.FixtureRequest, _examine: Examine) -> CheckUnlearner:
    """A function of an unlearner's name, or wheel or source directory, and of its options; makes this test's check."""
    name: str = request.param

    def check(plugin: str, **options: object) -> None:
        finding = _examine(plugin, **options).finding(name)
        if finding.status == "skipped":
            pytest.skip(finding.detail)
        if finding.status == "fail":
            pytest.fail(f"{finding.check.demand}\n{finding.detail}\n{finding.advice}", pytrace=False)

    return check
