"""Every run of a folder is listed, whatever state it is in."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import harness
from harness.cli.root import cli
from harness.core.site_marker import MARKER_NAME, marker_text
from harness.errors import RunNotFoundError, UsageError
from harness.report.writing import report_text, write_report
from harness.runs.config import RunConfig
from harness.runs.listing import RunEntry, list_runs, read_entry
from harness.runs.marks import MARKS
from harness.runs.store import LOCK
from tests.unit.report.examples import build_report, outcome, plugin_error, timeout
from tests.unit.shelf import begin, finish, stop

HOLD = """
import fcntl, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)])


def only(folder: Path) -> RunEntry:
    (entry,) = list_runs(folder)
    return entry


def test_a_finished_run_has_its_verdict_method_task_and_options(tmp_path: Path) -> None:
    made = finish(tmp_path / "a", options={"epochs": 1})
    entry = only(tmp_path)

    assert (entry.state, entry.verdict) == ("finished", made.verdict.level)
    assert (entry.plugin, entry.version, entry.task, entry.options) == ("finetune", "0.1.0", "faces", {"epochs": 1})
    assert (entry.models, entry.ended, entry.returned) == (8, 8, 7)
    assert entry.reason == "over the time limit"


def test_a_report_without_its_run_is_listed_too(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_report(build_report(), tmp_path / "a")

    assert (only(tmp_path).state, only(tmp_path).returned) == ("finished", 7)


def test_a_run_without_a_returned_model_has_failed(tmp_path: Path) -> None:
    finish(tmp_path / "a", build_report(outcomes=[plugin_error(0), plugin_error(1), timeout(2)], evaluators=()))
    entry = only(tmp_path)

    assert (entry.state, entry.reason) == ("failed", "the plugin raised an exception")


def test_a_stopped_run_is_interrupted_and_says_how_far_it_came(tmp_path: Path) -> None:
    stop(tmp_path / "a", ended=3, models=8)

    assert only(tmp_path) == RunEntry(
        folder=tmp_path / "a",
        state="interrupted",
        plugin="finetune",
        task="faces",
        settings={"--models": 8},
        created="2026-02-03T10:00:00Z",
        models=8,
        returned=3,
        ended=3,
    )


def test_a_run_that_was_stopped_before_its_models_has_as_many_as_were_requested(tmp_path: Path) -> None:
    begin(tmp_path / "a", models=4, repeats=3)
    begin(tmp_path / "b")

    assert [one.models for one in list_runs(tmp_path)] == [12, None]


def test_an_interrupted_run_that_was_evaluated_is_still_interrupted(tmp_path: Path) -> None:
    store = stop(tmp_path / "a", ended=3, models=8)
    write_report(
        build_report(outcomes=[*(outcome(i) for i in range(3)), *(timeout(i) for i in range(3, 8))]), store.folder
    )

    assert (only(tmp_path).state, only(tmp_path).ended, only(tmp_path).models) == ("interrupted", 3, 8)


def test_a_finished_run_whose_models_were_not_copied_stays_finished(tmp_path: Path) -> None:
    finish(tmp_path / "a")
    shutil.rmtree(tmp_path / "a" / "models")

    assert only(tmp_path).state == "finished"


def test_a_run_that_a_process_works_on_is_running(tmp_path: Path) -> None:
    stop(tmp_path / "a")
    command = [sys.executable, "-c", HOLD, str(tmp_path / "a" / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert only(tmp_path).state == "running"
        process.communicate()

    assert only(tmp_path).state == "interrupted"


@pytest.mark.parametrize("name", ["report.json", "run.json", MARKS, "models/0001/outcome.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"tags": 3}', "\x00", "[" * 100_000])
def test_a_damaged_file_makes_a_damaged_run_and_hides_no_other(tmp_path: Path, name: str, content: str) -> None:
    finish(tmp_path / "a")
    finish(tmp_path / "b")
    (tmp_path / "a" / name).write_text(content)

    states = {one.folder.name: one.state for one in list_runs(tmp_path)}

    assert states == {"a": "damaged", "b": "finished"}
    assert Path(name).name in read_entry(tmp_path / "a").reason


def test_a_damaged_report_leaves_what_the_run_was_started_with(tmp_path: Path) -> None:
    finish(tmp_path / "a", tags=("x",))
    (tmp_path / "a" / "report.json").write_text("{")
    entry = only(tmp_path)

    assert (entry.plugin, entry.task, entry.tags, entry.state) == ("finetune", "faces", ("x",), "damaged")


def test_runs_are_found_at_any_depth_but_not_in_sites_and_hidden_folders(tmp_path: Path) -> None:
    for name in ("a", "deep/er/b", ".hidden/c", "site/d"):
        finish(tmp_path / name)
    (tmp_path / "site" / MARKER_NAME).write_text(marker_text([]))

    assert [one.folder.relative_to(tmp_path).as_posix() for one in list_runs(tmp_path)] == ["a", "deep/er/b"]


def test_the_newest_run_comes_last(tmp_path: Path) -> None:
    begin(tmp_path / "a", created="2026-02-03T10:00:00Z")
    begin(tmp_path / "b", created="2025-02-03T10:00:00Z")

    assert [one.folder.name for one in list_runs(tmp_path)] == ["b", "a"]


def test_paths_of_plugin_and_task_are_shortened_to_their_names(tmp_path: Path) -> None:
    begin(tmp_path / "a", plugin="/x/y/method.py", task="/x/tiny.yaml")

    assert (only(tmp_path).plugin, only(tmp_path).task) == ("method.py", "tiny")


def test_a_missing_folder_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    assert call("ls", tmp_path / "nowhere").exit_code == RunNotFoundError.exit_code
    assert call("ls", tmp_path).output == f"0 runs in {tmp_path}.\n"


def test_each_run_is_shown_within_80_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finish(Path("runs/done"), options={"lr": 0.01}, tags=("paper",), note="a note " * 30)
    stop(Path("runs/stopped"), seed=3)
    stop(Path("runs/other"), seed=4, budget_fraction=0.5)
    lines = call("ls").output.splitlines()

    assert max(map(len, lines)) <= 80
    assert lines[0].split("  ")[0] == "run"
    assert any(line.startswith("runs/stopped") and "interrupted, 3 of 8" in line for line in lines)
    assert any("--seed 4" in line and "--budget-fraction 0.5" in line for line in lines)
    assert not any("--models" in line for line in lines[1:-1] if "--seed" in line and "done" in line)
    assert lines[-1] == "3 runs in runs: 1 finished, 2 interrupted."


def test_a_path_is_never_cut(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 30 + "end")
    finish(folder)

    assert str(folder) in call("ls", tmp_path).output


def test_a_plugins_texts_are_shown_as_texts(tmp_path: Path) -> None:
    finish(tmp_path / "a", build_report(outcomes=[outcome(0)]), note="[bold]\x1b[31m\u202e\nend")
    output = call("ls", tmp_path).output

    assert "\x1b" not in output
    assert "[bold]\\x1b[31m\\u202e end" in output


def test_runs_are_chosen_by_tag_state_plugin_and_task(tmp_path: Path) -> None:
    finish(tmp_path / "a", build_report(tags=("x", "y")))
    finish(tmp_path / "b", build_report(tags=("x",)))
    stop(tmp_path / "c", tags=("x", "y"), task="cifar10")

    def names(*options: str) -> list[str]:
        return [Path(line).name for line in call("ls", tmp_path, "--names", *options).output.splitlines()]

    assert sorted(names()) == ["a", "b", "c"]
    assert names("--tag", "x", "--tag", "y", "--state", "finished") == ["a"]
    assert names("--task", "cifar10") == ["c"]
    assert names("--plugin", "scrub") == []
    assert "2 of 3 runs" in call("ls", tmp_path, "--state", "finished").output


def test_json_has_every_field_of_every_run(tmp_path: Path) -> None:
    finish(tmp_path / "a", build_report(tags=("x",), note="why"))
    stop(tmp_path / "b")
    found = json.loads(call("ls", tmp_path, "--json").output)

    assert [one["state"] for one in found] == ["finished", "interrupted"]
    assert found[0]["tags"] == ["x"]
    assert found[0]["note"] == "why"
    assert set(found[0]) == set(vars(read_entry(tmp_path / "a")))
    assert call("ls", tmp_path, "--json", "--names").exit_code == UsageError.exit_code


def test_a_report_of_an_earlier_version_has_no_tags(tmp_path: Path) -> None:
    old = json.loads(report_text(build_report()))
    del old["tags"], old["note"]
    (tmp_path / "report.json").write_text(json.dumps(old))

    assert harness.load_report(tmp_path).tags == ()
    assert only(tmp_path).note == ""


def test_options_of_an_earlier_version_have_no_tags() -> None:
    old: dict[str, Any] = RunConfig(plugin="finetune").to_json()
    del old["tags"], old["note"]

    assert RunConfig.from_json(old).tags == ()


def test_a_note_marks_runs_in_any_state_and_leaves_their_reports_alone(tmp_path: Path) -> None:
    finish(tmp_path / "a", build_report(tags=("old",)))
    stop(tmp_path / "b", tags=("first",))
    before = (tmp_path / "a" / "report.json").read_bytes()

    ended = call("note", tmp_path / "a", tmp_path / "b", "--tag", "new", "-m", "see page 3")

    assert ended.exit_code == 0, ended.output
    assert [(one.tags, one.note) for one in list_runs(tmp_path)] == [
        (("old", "new"), "see page 3"),
        (("first", "new"), "see page 3"),
    ]
    assert (tmp_path / "a" / "report.json").read_bytes() == before
    assert harness.load_report(tmp_path / "a").tags == ("old", "new")
    assert harness.load_report(tmp_path / "a" / "report.json").note == "see page 3"


def test_tags_and_notes_are_removed_again(tmp_path: Path) -> None:
    finish(tmp_path / "a", build_report(tags=("x", "y"), note="why"))
    call("note", tmp_path / "a", "--untag", "x", "-m", "")

    assert (only(tmp_path).tags, only(tmp_path).note) == (("y",), "")
    assert call("note", tmp_path / "a").output == f"{tmp_path / 'a'}: #y\n"


@pytest.mark.parametrize("tag", ["", "two words", "a,b", "tab\t", "\x1b[1m", "x" * 41])
def test_a_tag_is_one_word(tmp_path: Path, tag: str) -> None:
    finish(tmp_path / "a")

    assert call("note", tmp_path / "a", "--tag", tag).exit_code == UsageError.exit_code
    with pytest.raises(UsageError, match="tag"):
        RunConfig(plugin="finetune", tags=(tag,))


def test_a_mistake_in_one_run_changes_none(tmp_path: Path) -> None:
    finish(tmp_path / "a", build_report(tags=("x",)))
    finish(tmp_path / "b")
    ended = call("note", tmp_path / "a", tmp_path / "b", "--untag", "x")

    assert ended.exit_code == UsageError.exit_code
    assert "no tag 'x'" in ended.output
    assert not (tmp_path / "a" / MARKS).exists()
    assert call("note", tmp_path, "--tag", "x").exit_code == RunNotFoundError.exit_code
