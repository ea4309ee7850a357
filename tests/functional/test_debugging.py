"""``harness run --runner process --pdb``: the author's terminal is the failing plugin's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.program import Program
from tests.terminals import OnTerminal

FAILS = """
import pluggy
@pluggy.HookimplMarker("harness")
def unlearn(model, context):
    marker = 41
    print("printed by the plugin, limit", context.time_limit_s)
    raise ValueError("broken here")
"""
STOPS = """
import pluggy
@pluggy.HookimplMarker("harness")
def unlearn(model, context):
    marker = 41
    breakpoint()
    print("went on with", marker)
"""


def _debugged(program: Program, plugin: str | Path, task: Path, output: Path, *more: str) -> OnTerminal:
    run = ("run", "--runner", "process", "--pdb", "--cpus", "1", "--plugin", plugin, "--task", task, "--output", output)
    return OnTerminal(*run, *more, environment=program.environment, folder=program.folder)


@pytest.fixture
def failing(wheel: Callable[[str], Path]) -> Path:
    return wheel(FAILS)


def test_a_failure_is_looked_at_where_it_happened(program: Program, failing: Path, task: Path, tmp_path: Path) -> None:
    with _debugged(program, failing, task, tmp_path / "r") as terminal:
        terminal.until("printed by the plugin, limit None")
        terminal.until("ValueError: broken here")
        terminal.answer("(Pdb) ", "p marker + 1")
        terminal.until("42")
        terminal.answer("(Pdb) ", "q")
        terminal.until("plugin_error")

        assert terminal.end() == 3
        assert terminal.settings_now() == terminal.settings
    assert "nothing is scored" in terminal.text


def test_the_run_is_kept_but_is_none_that_could_be_scored(
    program: Program, failing: Path, task: Path, tmp_path: Path
) -> None:
    with _debugged(program, failing, task, tmp_path / "r") as terminal:
        terminal.answer("(Pdb) ", "q")
        terminal.end()

    assert not (tmp_path / "r" / "report.json").exists()
    assert "broken here" in program("logs", tmp_path / "r", "--model", "0").out
    resumed = program("resume", tmp_path / "r")
    assert (resumed.code, "--pdb" in resumed.err) == (2, True)


def test_breakpoints_work(program: Program, wheel: Callable[[str], Path], task: Path, tmp_path: Path) -> None:
    with _debugged(program, wheel(STOPS), task, tmp_path / "r", "--models", "1") as terminal:
        terminal.answer("(Pdb) ", "marker = 7")
        terminal.answer("(Pdb) ", "c")
        terminal.until("went on with 7")
        terminal.until("failed on none of 1 models")

        assert terminal.end() == 0


def test_leaving_at_a_breakpoint_ends_the_run(
    program: Program, wheel: Callable[[str], Path], task: Path, tmp_path: Path
) -> None:
    with _debugged(program, wheel(STOPS), task, tmp_path / "r") as terminal:
        terminal.answer("(Pdb) ", "q")

        assert terminal.end() == 3


def test_ctrl_c_ends_the_run_and_gives_the_terminal_back(
    program: Program, failing: Path, task: Path, tmp_path: Path
) -> None:
    with _debugged(program, failing, task, tmp_path / "r") as terminal:
        terminal.until("(Pdb) ")
        terminal.type("\x03")

        assert terminal.end() == 130
        assert terminal.settings_now() == terminal.settings


@pytest.mark.parametrize("runner", ["auto", "docker"])
def test_without_the_process_runner_the_shell_is_named(program: Program, runner: str) -> None:
    refused = program("run", "--plugin", "noise", "--runner", runner, "--pdb")

    assert refused.code == 2
    assert "harness shell noise" in refused.err


def test_without_a_terminal_there_is_no_debugging(program: Program) -> None:
    refused = program("run", "--plugin", "noise", "--runner", "process", "--pdb")

    assert (refused.code, "needs a terminal" in refused.err) == (2, True)
