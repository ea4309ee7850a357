"""Methods on a record of training, from the task file to the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report.writing import load_report
from tests.program import TASK, Program

RUN = (
    "run",
    "--runner",
    "process",
    "--cpus",
    "1",
    "--time-limit",
    "120",
    "--evaluator",
    "accuracy",
    "--evaluator",
    "lira",
)
TWO = TASK.replace("models: 4", "models: 2")
RECORDS = {
    "amnesiac": "journal: true\n",
    "replay": "journal: {updates: all}\n",
    "sisa": "sisa: {shards: 2, slices: 2, by: subject}\n",
}


@pytest.mark.parametrize("method", ["amnesiac", "sisa", pytest.param("replay", marks=pytest.mark.slow)])
def test_a_method_on_a_record_runs_and_the_report_says_what_the_disk_paid(
    method: str, program: Program, tmp_path: Path
) -> None:
    (tmp_path / "recorded.yaml").write_text(TWO.replace("name: tiny", f"name: tiny-{method}") + RECORDS[method])
    ended = program(*RUN, "--plugin", method, "--task", tmp_path / "recorded.yaml", "--output", tmp_path / "r")

    assert ended.code == 0, ended.err
    report = load_report(tmp_path / "r")
    files = list(Path(program.environment["HARNESS_CACHE_DIR"]).glob("references/*/*/journal-*.safetensors"))
    assert report.status == "complete"
    assert report.journal is not None
    assert report.journal.originals == len(report.models) == 2
    assert report.journal.kind == ("checkpoints" if method == "sisa" else "updates")
    assert report.journal.bytes_total <= sum(file.stat().st_size for file in files)
    assert "Record of training: " in ended.out


def test_a_method_that_needs_a_record_says_so_where_there_is_none(program: Program, task: Path, tmp_path: Path) -> None:
    program(*RUN, "--plugin", "amnesiac", "--task", task, "--output", tmp_path / "r")

    report = load_report(tmp_path / "r")
    assert {model.status.value for model in report.models} == {"plugin_error"}
    assert "needs a task with 'journal: true'" in (report.models[0].evidence.error_message or "")
    assert report.journal is None


def test_a_journal_that_does_not_fit_ends_the_run_before_anything_is_trained(program: Program, tmp_path: Path) -> None:
    huge = TASK.replace("name: tiny", "name: huge").replace("width: 8", "width: 512") + "journal: {updates: all}\n"
    (tmp_path / "huge.yaml").write_text(huge)
    ended = program(
        *RUN, "--plugin", "amnesiac", "--task", tmp_path / "huge.yaml", "--output", tmp_path / "r", "--memory", "256"
    )

    assert ended.code == 21, ended.err
    assert "--memory" in ended.err
