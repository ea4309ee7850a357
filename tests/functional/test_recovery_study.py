"""The study of what comes back on a task of a few seconds: runs with their weights, their probes, and the page."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.recovery import main
from harness.probes.recovery import CONDITIONS
from harness.report.writing import load_report
from tests.program import TASK

METHODS = ("noop",)


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(shared_cache))


def test_a_study_runs_methods_once_and_shows_what_comes_back(tmp_path: Path) -> None:
    task = tmp_path / "tiny.yaml"
    task.write_text(TASK.replace("measurements: 1", "measurements: 1, fraction: 100"))  # enough for any machine
    named = [argument for method in METHODS for argument in ("--method", method)]
    arguments = ["--task", str(task), *named, "--models", "4", "--runs", str(tmp_path / "runs")]

    main([*arguments, "--evaluator", "accuracy"])  # without the evaluator of this study
    run = tmp_path / "runs" / "tiny" / "noop"
    unlearned = (run / "models" / "0000" / "outcome.json").stat().st_mtime_ns
    main([*arguments, "--evaluator", "durability", "--write", "--docs", str(tmp_path)])

    assert (run / "models" / "0000" / "outcome.json").stat().st_mtime_ns == unlearned
    text = (tmp_path / "recovery.md").read_text()
    assert [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| `")] == 2 * [
        f"`{method}`" for method in METHODS
    ]
    with (tmp_path / "recovery" / "tiny.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "noop"]
    assert sum(row["metric"].startswith("gain_") for row in rows) == CONDITIONS
    for row in rows:  # untouched originals are the no-op, by the same seeds or not
        if row["metric"] == "memory_before" and row["value"]:
            assert float(row["value"]) == pytest.approx(float(row["noop"]))
    record = load_report(run).evaluator("durability")
    assert record is not None
    assert not record.error
