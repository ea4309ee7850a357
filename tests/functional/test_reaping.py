"""``harness reap``: what a killed run has left goes, what a living one has stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.functional.killing import leftovers
from tests.program import Program, until

# Starts a process that outlives it, in a session of its own, and goes on until it is killed.
DAEMON = """
import pathlib, subprocess, sys, time
import pluggy
@pluggy.HookimplMarker("harness")
def unlearn(model):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    pathlib.Path({started!r}).touch()
    while True:
        time.sleep(0.01)
"""


def test_what_a_run_holds_is_left_alone_until_it_is_killed_and_then_removed(
    program: Program, wheel: Callable[[str], Path], task: Path, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    process = program.start(
        *("run", "--runner", "process", "--cpus", "1", "--time-limit", "250", "--task", task),
        *("--plugin", wheel(DAEMON.format(started=str(started))), "--output", tmp_path / "r"),
    )
    until(process, started.exists)
    alive = program("reap")
    process.kill()
    process.communicate()
    would = program("reap", "--dry-run")
    dead = program("reap")
    (folder,) = (line.partition(": ")[2] for line in dead.out.splitlines())

    assert (alive.code, alive.out) == (0, "Nothing to remove.\n")
    assert "no Docker engine answers" in alive.err
    assert (would.code, would.out) == (0, f"Would remove: {folder}\n")
    assert (dead.code, folder.startswith("temporary folder ")) == (0, True)
    assert leftovers(program, tmp_path / "r") == []
    assert program("reap").out == "Nothing to remove.\n"
