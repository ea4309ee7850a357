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


def _debugged(program: Program, plugin: str | Path, task: Path, *more: str | Path) -> OnTerminal:
    run = ("run", "--runner", "process", "--pdb", "--cpus", "1", "--plugin", plugin, "--task", task)
    return OnTerminal(*run, *more, environment=program.environment, folder=program.folder)


@pytest.fixture
def failing(wheel: Callable[[str], Path]) -> Path:
    return wheel(FAILS)


def test_a_failure_is_looked_at_where_it_happened(program: Program, failing: Path, task: Path) -> None:
    with _debugged(program, failing, task) as terminal:
        terminal.until("printed by the plugin, limit None")
        terminal.until("ValueError: broken here")
        terminal.answer("(Pdb) ", "p marker + 1")
        terminal.until("42")
        terminal.answer("(Pdb) ", "q")
        terminal.until("the plugin failed on model 0")

        assert terminal.end() == 3
        assert terminal.settings_now() == terminal.settings
    assert "nothing is scored or written" in terminal.text


def test_what_the_plugin_raises_has_the_frames_of_the_plugin(program: Program, failing: Path, task: Path) -> None:
    with _debugged(program, failing, task) as terminal:
        terminal.answer("(Pdb) ", "w")
        terminal.until('raise ValueError("broken here")')
        terminal.answer("(Pdb) ", "u")
        terminal.until("pluggy")
        terminal.answer("(Pdb) ", "q")

        assert terminal.end() == 3


def test_no_run_folder_is_written_and_none_is_promised(program: Program, failing: Path, task: Path) -> None:
    with _debugged(program, failing, task) as terminal:
        terminal.answer("(Pdb) ", "q")
        terminal.end()
    assert not (program.folder / "runs").exists()

    with _debugged(program, failing, task, "--output", program.folder / "r") as terminal:
        assert terminal.end() == 2
    assert "leave --output out" in terminal.text


def test_breakpoints_work(program: Program, wheel: Callable[[str], Path], task: Path) -> None:
    with _debugged(program, wheel(STOPS), task, "--models", "1") as terminal:
        terminal.answer("(Pdb) ", "marker = 7")
        terminal.answer("(Pdb) ", "c")
        terminal.until("went on with 7")
        terminal.until("failed on none of 1 models")

        assert terminal.end() == 0


def test_leaving_at_a_breakpoint_ends_the_run(program: Program, wheel: Callable[[str], Path], task: Path) -> None:
    with _debugged(program, wheel(STOPS), task) as terminal:
        terminal.answer("(Pdb) ", "q")

        assert terminal.end() == 3


def test_ctrl_c_ends_the_run_and_gives_the_terminal_back(program: Program, failing: Path, task: Path) -> None:
    with _debugged(program, failing, task) as terminal:
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

    assert (refused.code, "needs a terminal; it does not work in a pipe or a notebook" in refused.err) == (2, True)
