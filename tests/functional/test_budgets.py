"""Several budgets in one command, and their continuation."""

from __future__ import annotations

import json
from pathlib import Path

from tests.program import Program, report_of


def test_each_budget_is_a_run_and_an_interrupted_curve_goes_on(program: Program, task: Path, tmp_path: Path) -> None:
    run = tmp_path / "r"
    scored = ("--evaluator", "lira", "--evaluator", "accuracy")
    given = ("--runner", "process", "--cpus", "1", "--models", "2", "--clock", "cpu", *scored)
    ended = program("run", "--plugin", "noop", "--task", task, *given, "--budget-fraction", "300,50", "--output", run)
    assert ended.code == 0, ended.err
    assert "by share of retraining" in ended.out
    low, high = (report_of(run / name) for name in ("budget-50", "budget-300"))
    assert (low["budget"]["fraction"], high["budget"]["fraction"]) == (50, 300)
    assert low["cache_keys"] == high["cache_keys"]
    assert [low["budget"]["cached"], high["budget"]["cached"]] == [False, True]

    (run / "budget-300" / "report.json").unlink()
    (run / "budget-300" / "models" / "0001" / "outcome.json").unlink()
    (run / "curve.json").unlink()
    before = (run / "budget-50" / "report.json").read_bytes()
    resumed = program("resume", run)
    assert resumed.code == 0, resumed.err
    assert (run / "budget-50" / "report.json").read_bytes() == before
    assert report_of(run / "budget-300")["models"][1]["attempts"] == 2
    points = json.loads((run / "curve.json").read_text())["points"]
    assert [one["fraction"] for one in points] == [50, 300]
    assert all(one["utility"]["value"] is not None for one in points)
