"""Ctrl-C and ``kill -9``: nothing is left behind, nothing finished is lost, and ``harness resume`` gives the same numbers."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.functional.ground import EVALUATORS, Ground
from tests.functional.killing import STEADY, processes_of
from tests.program import Forked, Program, numbers_of, report_of, until

# Does what the ground's plugin does, but waits, in its third model, for a file that the test removes: so that the test
# decides when it is interrupted.
GATED = """
import pathlib, time
import pluggy, torch
GATE = pathlib.Path({gate!r})
STARTED = pathlib.Path({started!r})
@pluggy.HookimplMarker("harness")
def unlearn(model, context):
    with STARTED.open("a") as file:
        file.write("x")
    while GATE.exists() and STARTED.stat().st_size >= 3:
        time.sleep(0.01)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)
"""


@pytest.fixture
def gated(tmp_path: Path, wheel: Callable[[str], Path]) -> Path:
    (tmp_path / "gate").touch()
    (tmp_path / "started").touch()
    return wheel(GATED.format(gate=str(tmp_path / "gate"), started=str(tmp_path / "started")))


def _order(plugin: Path, task: Path, output: Path) -> tuple[str | Path, ...]:
    given = ("--plugin", plugin, "--task", task, "--output", output)
    return ("run", "--runner", "process", "--cpus", "1", "--time-limit", "250", *EVALUATORS, *given)


def _until_third_model(process: subprocess.Popen[str] | Forked, tmp_path: Path) -> None:
    until(process, lambda: (tmp_path / "started").stat().st_size >= 3)


def _stopped(process: subprocess.Popen[str] | Forked, number: signal.Signals, program: Program, run: Path) -> None:
    """Send a signal that stops a run in order; nothing is left behind, and it is said how to go on."""
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"harness resume {run}" in err
    assert processes_of(Path(program.environment["TMPDIR"])) == []
    assert list(Path(program.environment["TMPDIR"]).glob("harness*")) == []


def test_a_terminated_run_leaves_no_process_and_says_how_to_go_on(
    program: Program, gated: Path, task: Path, tmp_path: Path
) -> None:
    process = program.fork(*_order(gated, task, tmp_path / "r"))
    _until_third_model(process, tmp_path)
    assert processes_of(Path(program.environment["TMPDIR"])) != []
    _stopped(process, signal.SIGTERM, program, tmp_path / "r")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_a_resumed_run_gives_the_numbers_of_an_undisturbed_one(
    ground: Ground, program: Program, gated: Path, task: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = program.start(*_order(Path("./" + gated.name), Path("./" + task.name), tmp_path / "r"))
    _until_third_model(process, tmp_path)
    meanwhile = program("resume", tmp_path / "r")
    assert (meanwhile.code, "Another process" in meanwhile.err) == (2, True)
    if number == signal.SIGKILL:
        process.kill()
        process.communicate()
    else:
        _stopped(process, number, program, tmp_path / "r")
    (tmp_path / "gate").unlink()

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    resumed = replace(program, folder=elsewhere)("resume", tmp_path / "r")
    assert resumed.code == 0, resumed.err

    assert numbers_of(tmp_path / "r") == ground.numbers
    assert [model["attempts"] for model in report_of(tmp_path / "r")["models"]] == [1, 1, 2, 1]


def test_a_run_is_not_resumed_with_a_changed_plugin(
    ground: Ground, wheel: Callable[[str], Path], tmp_path: Path
) -> None:
    run = shutil.copytree(ground.undisturbed, tmp_path / "r")
    for lost in ("report.json", "models/0003/outcome.json"):  # as if it had been killed in its last model
        (run / lost).unlink()
    begun = json.loads((run / "run.json").read_text())
    begun["config"]["plugin"] = str(wheel(f"# another method\n{STEADY}"))
    (run / "run.json").write_text(json.dumps(begun))

    resumed = ground.program("resume", run)

    assert resumed.code == 44
    assert "plugin" in resumed.err
    assert not (run / "report.json").exists()
