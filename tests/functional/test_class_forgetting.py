"""A run that forgets a whole class: the attacks on it, and on retained examples, are in the report."""

from __future__ import annotations

from pathlib import Path

from tests.program import TASK, Program, report_of

FORGOTTEN = "28-35"
CLASS_TASK = TASK.replace("forget: {by: subject, fraction: 0.2}", f'forget: {{by: class, classes: ["{FORGOTTEN}"]}}')


def test_a_run_that_forgets_a_class_has_the_attacks_on_it(program: Program, tmp_path: Path) -> None:
    (tmp_path / "class.yaml").write_text(CLASS_TASK.replace("models: 4", "models: 8"))
    given = ("--plugin", "noop", "--task", tmp_path / "class.yaml", "--output", tmp_path / "r", "--time-limit", "60")
    chosen = ("--evaluator", "class_forgetting", "--evaluator", "collateral")

    ended = program("run", "--runner", "process", "--cpus", "1", *given, *chosen)

    assert ended.code == 0, ended.err
    records = {record["name"]: record for record in report_of(tmp_path / "r")["evaluators"]}
    classes = {one["name"]: one for one in records["class_forgetting"]["metrics"]}
    assert all(one["value"] is not None for one in classes.values()), classes
    assert classes["head_bias"]["value"] == classes["head_bias"]["noop"] > classes["head_bias"]["control"]
    assert all(one["note"].startswith(f"Forgotten: {FORGOTTEN} (most similar: ") for one in classes.values())
    collateral = {one["name"]: one["value"] for one in records["collateral"]["metrics"]}
    assert collateral["auc"] is not None
    assert collateral["exposure"] is not None
    assert "Change of confidence per retained example" in (tmp_path / "r" / "report.html").read_text()
