"""Several budgets in one command: what is refused, and what a run that did not begin leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.root import cli
from harness.core.progress import SilentProgress
from harness.errors import RunNotFoundError, UsageError
from harness.runs.budgets import check_budgets, has_budgets, resume_budgets, run_budgets
from harness.runs.config import RunConfig
from harness.runs.store import RunStore

CONFIG = RunConfig("noop", runner="process")


def test_budgets_are_in_ascending_order() -> None:
    assert check_budgets(CONFIG, (0.5, 0.05, 0.2)) == (0.05, 0.2, 0.5)


@pytest.mark.parametrize(
    ("fractions", "config", "why"),
    [
        ((0.1, 0.10), CONFIG, "twice"),
        ((0.1, -1.0), CONFIG, "above 0"),
        ((0.1, float("nan")), CONFIG, "--budget-fraction"),
        (tuple(0.01 * (one + 1) for one in range(21)), CONFIG, "2 to 20 with commas, not 21"),
        ((0.1, 0.2), RunConfig("noop", task="faces-stream"), "faces-stream is a stream of requests"),
        ((0.1, 0.2), RunConfig("noop", time_limit_s=3.0), "exclude each other"),
        ((0.1, 0.2), RunConfig("noop", runner="process", debug=True), "--pdb"),
    ],
)
def test_budgets_without_a_meaning_are_refused(fractions: tuple[float, ...], config: RunConfig, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check_budgets(config, fractions)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--budget-fraction", "0.1,x"), "'x' is not a number"),
        (("--budget-fraction", "0.1,"), "'' is not a number"),
        (("--budget-fraction", "0.1,0.2", "--torch", "2.4.1,2.5.0"), "not both"),
        (("--budget-fraction", "0.1,0.2", "--export", "x"), "needs a single run"),
    ],
)
def test_the_command_line_says_what_is_wrong(given: tuple[str, ...], why: str) -> None:
    ended = CliRunner().invoke(cli, ["run", "--plugin", "noop", "--runner", "process", *given])

    assert ended.exit_code == 2 or isinstance(ended.exception, UsageError)
    assert why in f"{ended.output}{ended.exception}"


def test_a_run_that_did_not_begin_leaves_nothing(tmp_path: Path) -> None:
    config = RunConfig("nothing-of-this-name", runner="process", output=str(tmp_path / "r"))

    with pytest.raises(Exception, match="nothing-of-this-name"):
        run_budgets(config, (0.1, 0.2), SilentProgress())
    assert not (tmp_path / "r").exists()


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    (tmp_path / "budgets.json").write_text('{"fractions": 3}')

    assert has_budgets(tmp_path)
    with pytest.raises(RunNotFoundError, match="cannot be read"):
        resume_budgets(tmp_path, SilentProgress())
    with pytest.raises(RunNotFoundError, match="several budgets"):
        RunStore.open(tmp_path)
