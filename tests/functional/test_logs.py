"""``harness logs`` on a run that was killed: what had ended is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.program import Program, until

# Prints and returns; prints and raises; prints nothing; goes on until it is killed.
TALKER = r"""
import pathlib, time
import pluggy
CALLS = pathlib.Path({calls!r})
@pluggy.HookimplMarker("harness")
def unlearn(model):
    with CALLS.open("a") as file:
        file.write("x")
    call = CALLS.stat().st_size
    if call == 1:
        print("[bold]loss[/bold] 0.5\x1b[2J", flush=True)
    if call == 2:
        print("y" * 300_000)
        raise ValueError("no [red]good[/red]\x1b[1m")
    while call == 4:
        time.sleep(0.01)
"""


def test_the_logs_of_a_killed_run_show_every_model_that_had_ended(
    program: Program, wheel: Callable[[str], Path], task: Path, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    calls.touch()
    process = program.fork(
        *("run", "--runner", "process", "--cpus", "1", "--time-limit", "250", "--task", task),
        *("--plugin", wheel(TALKER.format(calls=str(calls))), "--output", tmp_path / "r"),
    )
    until(process, lambda: calls.stat().st_size >= 4)
    process.kill()
    process.communicate()

    shown = program("logs", tmp_path / "r")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0].startswith("model 0: ok, ")
    assert lines[2] == r"| [bold]loss[/bold] 0.5\x1b[2J"
    assert lines[4].startswith("model 1: plugin_error, ")
    assert r"| ValueError: no [red]good[/red]\x1b[1m" in lines
    assert sum(line.endswith("bytes dropped …") for line in lines) == 1
    assert lines[-2:] == ["Printed nothing: model 2.", "Not ended yet: model 3."]

    one = program("logs", tmp_path / "r", "--model", "1").out
    assert r"| ValueError: no [red]good[/red]\x1b[1m" in one.splitlines()
    assert "stranger_method.py" in one
