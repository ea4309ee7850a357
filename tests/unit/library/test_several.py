"""Several runs in Python: compared, ranked, and a plugin checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import NotComparableError, SiteOccupiedError, UsageError
from harness.library.several import CheckResult
from tests.unit.comparing.samples import report
from tests.unit.leaderboard.ground import files_of, save, saved

WRONG = """
import pluggy
hookimpl = pluggy.HookimplMarker("harness")

@hookimpl
def unlearn(model, retain):
    raise ValueError("no")
"""


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [saved(tmp_path / "runs", "finetune", 0.8), saved(tmp_path / "runs", "scrub", 0.6)]


def test_runs_are_compared_by_folder_and_by_report(runs: list[Path]) -> None:
    by_folder = harness.compare(*runs)
    by_report = harness.compare(*map(harness.load_report, runs))
    mixed = harness.compare(runs[0], runs[0].parent)  # the first run is in the folder too, and counts once

    assert str(by_folder) == str(by_report) == str(mixed)
    assert "better ▲ 0.600" in str(by_folder)
    assert [method.label for method in by_folder.methods] == ["finetune", "scrub"]
    assert [difference.mark for _, _, difference in by_folder.marked] == ["better"]


def test_reports_without_a_folder_are_compared(tmp_path: Path) -> None:
    made = harness.compare(report("finetune", 0.8), report("scrub", 0.6), metrics=["lira.auc"])

    assert [row.name for row in made.rows] == ["lira.auc"]
    assert made.to_html().startswith("<!DOCTYPE html>")
    assert "&lt;" not in made._repr_html_()
    assert made._repr_html_().startswith("<pre>")


def test_a_comparison_is_a_table(runs: list[Path]) -> None:
    pytest.importorskip("pandas")
    frame = harness.compare(*runs).to_pandas().set_index(["metric", "method"])

    assert frame.loc[("lira.auc", "scrub"), "value"] == 0.6


def test_runs_that_do_not_compare_are_an_error() -> None:
    other = report("scrub", recipe={"epochs": 3})
    with pytest.raises(NotComparableError, match="training recipe"):
        harness.compare(report(), other)
    with pytest.raises(UsageError, match="two finished runs"):
        harness.compare(report())
    with pytest.raises(UsageError, match="list of names"):
        harness.compare(report(), other, metrics="lira.auc")


def test_a_leaderboard_ranks_and_writes_its_site(runs: list[Path], tmp_path: Path) -> None:
    made = harness.leaderboard(tmp_path / "runs", site=tmp_path / "site", rank_by="lira.auc", title="Cup")

    assert [row.label for row in made.rows] == ["scrub", "finetune"]
    assert "  1  scrub, 75 % forgotten, " in str(made)
    assert "<title>Cup</title>" in (tmp_path / "site" / "index.html").read_text()


def test_a_leaderboard_needs_no_site_and_names_what_it_skips(runs: list[Path], tmp_path: Path) -> None:
    (runs[0] / "report.json").write_text("{")
    made = harness.leaderboard(tmp_path / "runs")

    assert "Skipped: runs/finetune/report.json" in str(made)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
    with pytest.raises(SiteOccupiedError):
        harness.leaderboard(tmp_path / "runs", site=runs[0])


def test_a_site_of_a_secret_task_is_public_unless_one_says_otherwise(tmp_path: Path) -> None:
    made = report("scrub", 0.6, note="kept for us")
    secret = made.task.model_copy(update={"definition": {"secret": True, "seed": 731234567}})
    save(tmp_path / "runs", "scrub", made.model_copy(update={"task": secret}))

    def written(name: str, **options: Any) -> bytes:
        ranking = harness.leaderboard(tmp_path / "runs", site=tmp_path / name, **options)
        assert ranking.public is (options.get("public") is not False)
        return b"".join(files_of(tmp_path / name).values())

    for word in (b"731234567", b"kept for us"):
        assert word not in written("site")
        assert word in written("open", public=False)
    assert (tmp_path / "site.key").exists()


def test_runs_are_taken_from_a_leaderboard_with_a_reason(runs: list[Path], tmp_path: Path) -> None:
    made = harness.leaderboard(tmp_path / "runs", exclude={"run-scrub": "its author asked for it"})

    assert [row.label for row in made.rows] == ["finetune"]
    assert [one.reason for one in made.excluded] == ["its author asked for it"]


def test_a_leaderboard_is_a_table(runs: list[Path]) -> None:
    pytest.importorskip("pandas")
    frame = harness.leaderboard(*runs, rank_by="lira.auc").to_pandas().set_index("method")

    assert dict(frame["rank"]) == {"scrub": 1, "finetune": 2}
    assert frame.loc["scrub", "lira.auc"] == 0.6


def test_a_plugin_that_fails_a_check_is_a_result(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    found = harness.check(tmp_path / "wrong.py", runner="process")

    assert isinstance(found, CheckResult)
    assert not found.ok
    assert "ValueError" in str(found)
    assert "required: " in str(found)
