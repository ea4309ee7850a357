from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.errors import ReportInvalidError, RunNotFoundError
from harness.leaderboards import find_reports
from harness.leaderboards.finding import whole_report
from harness.report.writing import load_report
from tests.unit.comparing.samples import report
from tests.unit.leaderboard.ground import save, saved, site_of


def names(*folders: Path) -> list[str]:
    return sorted(one.report.plugin.name for one in find_reports(folders).entries)


def test_reports_are_found_at_any_depth_and_by_name(tmp_path: Path) -> None:
    saved(tmp_path / "a" / "b", "scrub")
    file = saved(tmp_path / "c", "salun") / "report.json"

    assert names(tmp_path) == ["salun", "scrub"]
    assert names(file) == ["salun"]


def test_a_run_found_twice_counts_once(tmp_path: Path) -> None:
    folder = saved(tmp_path, "scrub")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "report.json").write_bytes((folder / "report.json").read_bytes())

    assert names(tmp_path, tmp_path, folder) == ["scrub"]
    assert find_reports([tmp_path]).skipped == ()


def test_of_several_judgements_of_a_run_the_last_counts(tmp_path: Path) -> None:
    old = report("scrub")
    save(tmp_path, "old", old)
    save(tmp_path, "new", old.model_copy(update={"rejudged": "2026-03-01T00:00:00Z"}))

    found = find_reports([tmp_path])
    assert [one.report.rejudged for one in found.entries] == ["2026-03-01T00:00:00Z"]
    assert [one.source for one in found.skipped] == [f"{tmp_path.name}/old/report.json"]
    assert "evaluated again" in found.skipped[0].reason


def _damaged() -> dict[str, bytes]:
    return {
        "half": b'{"schema_version": "1", "run_',
        "foreign": b'{"name": "a report of another program"}',
        "newer": b'{"schema_version": "2"}',
        "deep": b"[" * 200_000,
        "binary": b"\xff\xfe\x00",
        "empty": b"",
    }


@pytest.mark.parametrize("kind", sorted(_damaged()))
def test_what_is_damaged_or_foreign_is_left_out_with_the_reason(tmp_path: Path, kind: str) -> None:
    saved(tmp_path, "scrub")
    (tmp_path / kind).mkdir()
    (tmp_path / kind / "report.json").write_bytes(_damaged()[kind])

    found = find_reports([tmp_path])
    assert [one.report.plugin.name for one in found.entries] == ["scrub"]
    (skipped,) = found.skipped
    assert skipped.source == f"{tmp_path.name}/{kind}/report.json"
    assert len(skipped.reason) > 10
    assert str(tmp_path) not in skipped.reason


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["populations"].update(failed_models=7),
        lambda document: document["plugin"]["options"].update(epochs=float("nan")),
        lambda document: document.update(created="yesterday"),
        lambda document: document.update(foreign=1),
        lambda document: document["hardware"].update(cores="2"),
    ],
    ids=["contradiction", "nan", "time", "key", "type"],
)
def test_a_report_that_breaks_the_schema_is_left_out(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    saved(tmp_path, "scrub")
    path = saved(tmp_path, "salun") / "report.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))

    assert names(tmp_path) == ["scrub"]


def test_the_quick_reading_gives_what_the_schema_checked_reading_gives(tmp_path: Path) -> None:
    path = saved(tmp_path, "scrub") / "report.json"
    (entry,) = find_reports([path]).entries

    assert whole_report(entry) == (load_report(path), path.read_bytes())


def test_a_report_that_changes_meanwhile_is_not_published(tmp_path: Path) -> None:
    path = saved(tmp_path, "scrub") / "report.json"
    (entry,) = find_reports([path]).entries
    path.write_text(path.read_text() + " ")

    with pytest.raises(ReportInvalidError, match="changed while"):
        whole_report(entry)


def test_no_report_at_all_is_an_error_that_says_what_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report.json").write_text("{}")

    with pytest.raises(RunNotFoundError, match=r"run/report\.json: .*schema version"):
        find_reports([tmp_path])
    with pytest.raises(RunNotFoundError, match="There is no"):
        find_reports([tmp_path / "nowhere"])


def test_hidden_folders_sites_and_what_is_no_file_are_passed_over(tmp_path: Path) -> None:
    saved(tmp_path, "scrub")
    saved(tmp_path / ".trash", "salun")
    site_of(tmp_path / "scrub", tmp_path / "site")
    (tmp_path / "folder" / "report.json").mkdir(parents=True)
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "report.json")
    (tmp_path / "loop").symlink_to(tmp_path)

    found = find_reports([tmp_path])
    assert [one.path for one in found.entries] == [tmp_path / "scrub" / "report.json"]
    assert found.skipped == ()
