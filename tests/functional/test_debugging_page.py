"""The how-to page on debugging: its commands, as they stand there, do what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.environment import write_scripts
from tests.program import Program
from tests.terminals import OnTerminal

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "debug-an-unlearner.md"
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"^```\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith(("harness ", "echo "))
]
SCRIPTED = [command for command in COMMANDS if " -c " in command or command.startswith("echo ")]


@pytest.fixture
def shell(program: Program) -> dict[str, str]:
    """Variables under which `harness` is the program under test."""
    write_scripts(program.folder / "bin")
    return {**program.environment, "PATH": f"{program.folder / 'bin'}:{os.environ['PATH']}"}


def test_the_page_has_all_three_ways() -> None:
    assert [command.split()[1] for command in COMMANDS if command.startswith("harness")][:4] == [
        "logs",
        "logs",
        "run",
        "shell",
    ]
    assert len(SCRIPTED) == 3


@pytest.mark.parametrize("command", SCRIPTED)
def test_a_scripted_command_runs_as_it_stands(program: Program, shell: dict[str, str], command: str) -> None:
    # Without a container the plugin lies elsewhere; all else is as in one.
    ended = subprocess.run(
        ["bash", "-c", command.replace(" /opt/plugin", " .")],
        cwd=program.folder,
        env=shell,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()


def test_logs_of_a_run_are_shown(program: Program, finished: Path) -> None:
    logs = [command.split() for command in COMMANDS if command.startswith("harness logs")]
    shutil.copytree(finished, program.folder / logs[0][2])

    for command in logs:
        ended = program(*command[1:])
        assert ended.code == 0, ended.err


def test_the_debugger_runs_as_it_stands(program: Program) -> None:
    (command,) = (command.split() for command in COMMANDS if command.startswith("harness run"))
    with OnTerminal(*command[1:], environment=program.environment, folder=program.folder) as terminal:
        terminal.until("failed on none of")

        assert terminal.end() == 0


def test_the_session_of_the_page_can_be_typed(program: Program) -> None:
    typed = re.findall(r"^>>> (.*)$", PAGE.read_text(), flags=re.MULTILINE)
    named = re.findall(r"^  (\w+)(?:\(\)| {2,}| \()", PAGE.read_text(), flags=re.MULTILINE)
    with OnTerminal("shell", "finetune", environment=program.environment, folder=program.folder) as terminal:
        for line in typed:
            terminal.answer(">>> ", line)
        terminal.until(")")
        terminal.answer(">>> ", f"[name for name in {named} if name not in globals()]")
        terminal.until("\n[]")
        terminal.answer(">>> ", "exit()")

        assert terminal.end() == 0
    assert "Traceback" not in terminal.text
    assert typed
    assert {"model", "retain", "context", "unlearn", "run", "original"} <= set(named)
