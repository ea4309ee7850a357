from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli.root import cli
from harness.core.files import write_error
from harness.errors import NoSpaceError, OutputUnwritableError, ReportInvalidError, SiteOccupiedError
from harness.leaderboards import find_reports, rank_all, write_site
from harness.report.page import render_page
from tests.markup import Tags
from tests.unit.comparing.samples import metric, report
from tests.unit.leaderboard.ground import HOSTILE, files_of, save, saved, site_of
from tests.unit.report.examples import PLUGIN, evaluator


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    saved(tmp_path / "runs", "scrub", 0.6)
    saved(tmp_path / "runs", "salun", 0.7)
    return tmp_path / "runs"


def call(*arguments: Any) -> tuple[int, str]:
    ended = CliRunner().invoke(cli, ["leaderboard", *map(str, arguments)])
    return ended.exit_code, ended.output


def test_the_site_holds_index_files_for_programs_and_every_run(runs: Path, tmp_path: Path) -> None:
    found = site_of(runs, tmp_path / "site")
    files = files_of(tmp_path / "site")

    folders = {name.split("/")[1] for name in files if name.startswith("runs/")}
    assert {folder.rpartition("-")[0] for folder in folders} == {"scrub", "salun"}
    assert set(files) == {
        "index.html",
        "leaderboard.json",
        "leaderboard.csv",
        "harness-leaderboard.json",
        *(f"runs/{folder}/report.{kind}" for folder in folders for kind in ("html", "json")),
    }
    for entry in found.entries:
        assert entry.path.read_bytes() in files.values()


def test_a_runs_page_is_made_anew_and_never_taken_from_its_folder(runs: Path, tmp_path: Path) -> None:
    (runs / "scrub" / "report.html").write_text("<script>alert(1)</script>")
    site_of(runs, tmp_path / "site")

    (page,) = (tmp_path / "site").glob("runs/scrub-*/report.html")
    assert page.read_text() == render_page(report("scrub", 0.6))


def test_links_lead_to_files_of_the_site_and_nowhere_else(runs: Path, tmp_path: Path) -> None:
    site_of(runs, tmp_path / "site")
    page = Tags((tmp_path / "site" / "index.html").read_text())

    targets = [one["href"] for one in page.all("a")]
    files = [target for target in targets if not str(target).startswith("#")]
    assert len(files) == 6
    assert [target for target in files if not (tmp_path / "site" / str(target)).is_file()] == []
    assert {*targets} - {*files} <= {f"#{attributes['id']}" for _, attributes in page.seen if "id" in attributes}
    assert [one.get("href") for one in page.all("link")] == ["data:,"]
    assert not any("src" in attributes for _, attributes in page.seen)


def test_the_policy_allows_this_script_and_this_style_alone(runs: Path, tmp_path: Path) -> None:
    site_of(runs, tmp_path / "site")
    text = (tmp_path / "site" / "index.html").read_text()
    (policy,) = (one["content"] for one in Tags(text).all("meta") if one.get("http-equiv"))

    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in str(policy)
    assert str(policy).startswith("default-src 'none'; ")
    assert "unsafe" not in str(policy)


def test_making_it_again_from_the_same_reports_gives_the_same_bytes(runs: Path, tmp_path: Path) -> None:
    site_of(runs, tmp_path / "one")
    (runs / "scrub").rename(runs / "zzz")
    site_of(runs, tmp_path / "two")
    site_of(runs, tmp_path / "one")

    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_a_site_is_replaced_as_a_whole(runs: Path, tmp_path: Path) -> None:
    site_of(runs, tmp_path / "site")
    site_of(runs / "scrub", tmp_path / "site")

    assert [path.name.rpartition("-")[0] for path in (tmp_path / "site" / "runs").iterdir()] == ["scrub"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "site"]


def _in_the_way(site: Path, kind: str) -> None:
    if kind == "file":
        site.write_text("mine")
        return
    site.mkdir()
    if kind == "foreign":
        (site / "index.html").write_text("mine")
    if kind == "marker":
        (site / "harness-leaderboard.json").write_text('{"made_by": "me", "files": ["harness-leaderboard.json"]}')


@pytest.mark.parametrize("kind", ["file", "foreign", "marker"])
def test_what_no_leaderboard_wrote_is_never_overwritten(runs: Path, tmp_path: Path, kind: str) -> None:
    site = tmp_path / "site"
    _in_the_way(site, kind)
    before = files_of(tmp_path)

    code, output = call(runs, "-o", site)
    assert code == SiteOccupiedError.exit_code == 46
    assert "Move it away" in output
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("name", ["CNAME", ".git/config", "runs/mine/notes.txt"])
def test_a_site_to_which_something_was_added_is_not_replaced(runs: Path, tmp_path: Path, name: str) -> None:
    site_of(runs, tmp_path / "site")
    (tmp_path / "site" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "site" / name).write_text("mine")

    with pytest.raises(SiteOccupiedError, match=re.escape(name)):
        site_of(runs, tmp_path / "site")
    assert (tmp_path / "site" / name).read_text() == "mine"


def test_the_folder_of_the_runs_is_no_place_for_the_site(runs: Path, tmp_path: Path) -> None:
    before = files_of(tmp_path)
    for place in (runs, tmp_path):
        assert call(runs, "-o", place)[0] == 46
    assert files_of(tmp_path) == before


def test_an_empty_folder_and_a_new_one_at_any_depth_are_taken(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "public" / "board"):
        assert call(runs, "-o", place)[0] == 0
        assert (place / "index.html").is_file()


def test_where_writing_fails_the_old_site_stays(runs: Path, tmp_path: Path) -> None:
    site_of(runs, tmp_path / "site")
    before = files_of(tmp_path / "site")
    found = find_reports([runs])
    (runs / "scrub" / "report.json").unlink()

    with pytest.raises(OutputUnwritableError):
        write_site(rank_all(found), found.entries, tmp_path / "site")
    assert files_of(tmp_path / "site") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "site"]


def test_a_full_disk_has_an_error_of_its_own(tmp_path: Path) -> None:
    assert isinstance(write_error(tmp_path, OSError(28, "No space left on device")), NoSpaceError)


def test_the_command_says_what_it_made_and_what_it_left_out(runs: Path, tmp_path: Path) -> None:
    (runs / "odd").mkdir()
    (runs / "odd" / "report.json").write_text("{}")

    code, output = call(runs, "-o", tmp_path / "site")
    assert code == 0
    assert "Skipped: runs/odd/report.json: It has report schema version None" in output
    assert "2 runs of 2 methods on 1 task" in output
    assert "runs/odd/report.json" in (tmp_path / "site" / "index.html").read_text()


def test_strict_writes_nothing_where_a_report_is_left_out(runs: Path, tmp_path: Path) -> None:
    (runs / "odd").mkdir()
    (runs / "odd" / "report.json").write_text("{}")

    assert call(runs, "-o", tmp_path / "site", "--strict")[0] == ReportInvalidError.exit_code
    assert not (tmp_path / "site").exists()


def test_nothing_to_rank_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()

    assert call(tmp_path / "runs", "-o", tmp_path / "site")[0] == 43
    assert not (tmp_path / "site").exists()


def test_where_nothing_can_be_ranked_the_page_says_so_once(tmp_path: Path) -> None:
    for name in ("scrub", "salun"):
        saved(tmp_path / "runs", name, 0.6, None, evaluators=(evaluator("lira", metric(0.6, None, position=None)),))
    site_of(tmp_path / "runs", tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text()

    assert page.count("No ranks:") == 1
    assert "not ranked" not in page


def test_json_and_csv_say_the_same(runs: Path, tmp_path: Path) -> None:
    site_of(runs, tmp_path / "site")
    document = json.loads((tmp_path / "site" / "leaderboard.json").read_text())
    lines = list(csv.DictReader(io.StringIO((tmp_path / "site" / "leaderboard.csv").read_text())))

    assert document["leaderboard_version"] == "1"
    (board,) = document["boards"]
    assert [row["plugin"] for row in board["rows"]] == [line["plugin"] for line in lines] == ["scrub", "salun"]
    for row, line in zip(board["rows"], lines, strict=True):
        assert str(row["rank"]["first"]) == line["rank"]
        assert row["metrics"]["lira.auc"]["value"] == float(line["lira.auc"])
        assert row["way"]["low"] == float(line["way_low"])
        assert row["report"] == line["report"]
        assert (tmp_path / "site" / row["page"]).is_file()
        assert hashlib.sha256((tmp_path / "site" / row["report"]).read_bytes()).hexdigest() == row["digest"]


def hostile_run(root: Path) -> Path:
    """Write a run with an injection attempt in every text."""
    facts = replace(PLUGIN, name=HOSTILE, version=HOSTILE, distribution=HOSTILE, location=HOSTILE)
    made = report(plugin_facts=facts, run_id=HOSTILE, auc=0.6)
    lira = made.evaluators[0]
    metrics = (
        *lira.metrics,
        replace(lira.metrics[0], name=HOSTILE, description=HOSTILE, unit=HOSTILE),
    )
    changes = {
        "plugin": replace(made.plugin, options={HOSTILE: HOSTILE}),
        "task": made.task.model_copy(update={"name": HOSTILE, "description": HOSTILE, "data_digest": HOSTILE}),
        "hardware": replace(made.hardware, cpu_model=HOSTILE, gpus=(HOSTILE,)),
        "runner": replace(made.runner, name=HOSTILE, isolation=HOSTILE, torch=HOSTILE, python=HOSTILE, gpu={"a": 1}),
        "verdict": made.verdict.model_copy(update={"sentence": HOSTILE}),
        "harness_version": HOSTILE,
        "recipe": {HOSTILE: HOSTILE},
        "evaluators": (lira.model_copy(update={"metrics": metrics}), *made.evaluators[1:]),
    }
    return save(root, "hostile", made.model_copy(update=changes))


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    hostile_run(tmp_path / "runs")
    odd = tmp_path / "runs" / "<img src=x onerror=alert(1)>"
    odd.mkdir()
    (odd / "report.json").write_text("{}")
    site_of(tmp_path / "runs", tmp_path / "site")
    text = (tmp_path / "site" / "index.html").read_text()
    page = Tags(text)

    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert [name for _, attributes in page.seen for name in attributes if name.startswith("on")] == []
    assert text.count("</script>") == 1
    assert all(
        re.fullmatch(r"#metric-[a-z-]+|(runs/[a-z0-9-]+/report|leaderboard)\.(html|json|csv)", str(a["href"]))
        for a in page.all("a")
    )
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_hostile_texts_are_no_formulas(tmp_path: Path) -> None:
    save(tmp_path / "runs", "formula", report("=cmd|' /C calc'!A0", 0.6))
    site_of(tmp_path / "runs", tmp_path / "site")
    (line,) = csv.DictReader(io.StringIO((tmp_path / "site" / "leaderboard.csv").read_text()))

    assert [value for value in line.values() if value.startswith(("=", "+", "@"))] == []
    assert line["plugin"] == "'=cmd|' /C calc'!A0"
