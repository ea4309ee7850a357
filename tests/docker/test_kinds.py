"""Tables, texts and arrays reach a method in its container, without network, and a report is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data_files import arrays_task, table_task, text_task
from tests.program import Program, report_of

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("write", [table_task, text_task, arrays_task])
def test_a_bundled_method_runs_in_its_container_on_other_data_than_pictures(
    program: Program, tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    ended = program(
        "run", "--plugin", "finetune", "--task", write(tmp_path), "--runner", "docker", "--time-limit", "60", "--cpus", "1",
        "--evaluator", "accuracy", "--evaluator", "lira", "--output", tmp_path / "r",
    )  # fmt: skip

    assert ended.code == 0, ended.err + ended.out
    report = report_of(tmp_path / "r")
    assert [model["status"] for model in report["models"]] == ["ok", "ok"]
    assert report["models"][0]["unchanged"] is False
    assert (tmp_path / "r" / "report.html").exists()
