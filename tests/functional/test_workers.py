"""``--workers``: the same numbers however many there are, and a run of several that is stopped goes on."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.hardware import available_cores
from tests.functional.killing import processes_of
from tests.functional.test_interruption import GATED
from tests.program import Program, numbers_of, report_of, until

RUN = ("run", "--runner", "process", "--cpus", "1", "--evaluator", "lira", "--evaluator", "accuracy")
two_cores = pytest.mark.skipif(available_cores() < 2, reason="needs two cores")


@two_cores
def test_the_numbers_do_not_depend_on_how_many_workers_there_are(program: Program, task: Path, tmp_path: Path) -> None:
    for workers in ("1", "2"):
        ended = program(
            *RUN, "--plugin", "noise", "--task", task, "--budget-fraction", "300", "--workers", workers,
            "--output", tmp_path / workers,
        )  # fmt: skip
        assert ended.code == 0, ended.err

    assert numbers_of(tmp_path / "1") == numbers_of(tmp_path / "2")
    one, two = (report_of(tmp_path / workers) for workers in ("1", "2"))
    assert (one["times"]["workers"], two["times"]["workers"]) == (1, 2)
    assert one["times"]["cores"] == two["times"]["cores"] == 1
    assert [len(report["budget"]["retrain_s"]) for report in (one, two)] == [1, 2]  # side by side, as the models


@pytest.mark.slow
@two_cores
def test_a_stopped_run_of_two_workers_leaves_no_process_and_goes_on_with_one(
    program: Program, wheel: Callable[[str], Path], task: Path, tmp_path: Path
) -> None:
    (tmp_path / "gate").touch()
    (tmp_path / "started").touch()
    plugin = wheel(GATED.format(gate=str(tmp_path / "gate"), started=str(tmp_path / "started")))
    order = (*RUN, "--plugin", plugin, "--task", task, "--time-limit", "250", "--workers", "2")
    process = program.start(*order, "--output", tmp_path / "r")
    until(process, lambda: (tmp_path / "started").stat().st_size >= 4)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)

    assert process.returncode == 130, err
    assert processes_of(Path(program.environment["TMPDIR"])) == []
    (tmp_path / "gate").unlink()
    resumed = program("resume", tmp_path / "r", "--workers", "1")
    assert resumed.code == 0, resumed.err
    assert json.loads((tmp_path / "r" / "run.json").read_text())["config"]["workers"] == 1
    undisturbed = program(*order, "--output", tmp_path / "u")
    assert undisturbed.code == 0, undisturbed.err
    assert numbers_of(tmp_path / "r") == numbers_of(tmp_path / "u")
    assert sum(model["attempts"] > 1 for model in report_of(tmp_path / "r")["models"]) == 2


def test_more_workers_than_cores_are_refused_before_any_work(program: Program, task: Path, tmp_path: Path) -> None:
    ended = program(*RUN, "--plugin", "noop", "--task", task, "--workers", "4097", "--output", tmp_path / "r")

    assert ended.code == 2
    assert "--workers 4097 needs 4097 x 1 cores" in ended.err
    assert not (tmp_path / "r").exists()
