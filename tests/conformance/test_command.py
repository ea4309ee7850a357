"""``harness check`` and the pytest plugin, as authors use them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from harness.cli.root import cli
from harness.conformance import pytest_plugin
from harness.conformance.check_functions import CHECKS

pytest_plugins = ["pytester"]

AUTHORS_FILE = """
def test_conformance(check_unlearner):
    check_unlearner("noop")
"""


@pytest.fixture
def options(pytestconfig: pytest.Config) -> tuple[str, ...]:
    """Return pytest options that load this plugin without its entry point, and no other plugins."""
    known = pytestconfig.pluginmanager.is_registered(pytest_plugin)
    return () if known else ("-p", pytest_plugin.__name__)


def test_a_failed_check_ends_with_4_and_says_what_to_do() -> None:
    result = CliRunner().invoke(cli, ["check", "cf_k", "--runner", "process", "--set", "k=50"])

    assert result.exit_code == 4
    assert "fail    unlearns: plugin_error" in result.output
    assert "-> The plugin raised an exception" in result.output
    assert f"2 ok, {len(CHECKS) - 3} skipped, 1 fail" in result.output


def test_a_plugin_that_is_not_there_ends_with_the_code_for_that() -> None:
    result = CliRunner().invoke(cli, ["check", "nowhere", "--runner", "process"])

    assert result.exit_code == 10


@pytest.mark.slow
def test_a_good_plugin_ends_with_0() -> None:
    result = CliRunner().invoke(cli, ["check", "finetune", "--runner", "process"])

    assert result.exit_code == 0, result.output
    assert "0 fail" in result.output


def test_an_authors_two_lines_become_one_test_for_each_check(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(AUTHORS_FILE)

    collected = pytester.runpytest_inprocess("--collect-only", "-q", *options)

    collected.stdout.fnmatch_lines([f"*::test_conformance[[]{name}]" for name in CHECKS])


def test_a_check_that_holds_passes_one_that_does_not_fails_and_what_builds_on_it_is_skipped(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(AUTHORS_FILE.replace('"noop"', '"cf_k", k=50'))

    result = pytester.runpytest_inprocess("-k", "loads or unlearns or finite", *options)

    result.assert_outcomes(passed=1, failed=1, skipped=1, deselected=len(CHECKS) - 3)
    result.stdout.fnmatch_lines(["Unlearn a small network without*", "plugin_error (*'k' must be*"])
