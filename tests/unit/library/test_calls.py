"""The functions' arguments and what they read; runs themselves are in the functional tests."""

from __future__ import annotations

import inspect
import logging
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import ReportInvalidError, RunNotFoundError, TaskNotFoundError, UsageError
from harness.library.showing import NotebookProgress, shown
from harness.report.writing import write_report
from harness.runs.config import RunConfig
from tests.unit.report.examples import build_report


def write(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    write_report(build_report(**changes), folder)
    return folder


def test_run_takes_every_option_of_a_run_with_its_default() -> None:
    parameters = inspect.signature(harness.run).parameters
    # The debugger of `debug` needs a terminal.
    configured = {one.name: one.default for one in fields(RunConfig) if one.name != "debug"}

    assert set(parameters) - {"progress"} == set(configured)
    written = {name: one.default for name, one in parameters.items() if one.default is not inspect.Parameter.empty}
    assert {name: value for name, value in written.items() if name not in ("options", "progress")} == {
        name: value for name, value in configured.items() if value is not MISSING
    }


def test_importing_the_harness_imports_nothing_that_takes_time() -> None:
    heavy = "('torch', 'numpy', 'pydantic', 'docker', 'click', 'rich', 'pandas', 'pluggy')"
    code = f"import sys, harness; dir(harness); print([name for name in {heavy} if name in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("name", harness.__all__)
def test_every_name_of_the_library_is_there(name: str) -> None:
    assert getattr(harness, name) is not None
    assert name in dir(harness)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'runn'"):
        _ = harness.runn  # type: ignore[attr-defined]


def test_a_report_is_found_by_its_folder_and_by_its_file(tmp_path: Path) -> None:
    folder = write(tmp_path / "r")

    assert harness.load_report(folder) == harness.load_report(str(folder / "report.json"))
    assert harness.load_report(folder / "report.json").folder == folder


def test_a_report_of_another_file_name_lies_alone(tmp_path: Path) -> None:
    copy = tmp_path / "mine.json"
    copy.write_bytes((write(tmp_path / "r") / "report.json").read_bytes())

    assert harness.load_report(copy).folder is None


def test_many_reports_come_in_the_order_in_which_their_runs_began(tmp_path: Path) -> None:
    write(tmp_path / "a", run_id="late", created="2026-02-01T00:00:00Z")
    write(tmp_path / "deep" / "b", run_id="early", created="2026-01-01T00:00:00Z")

    assert [one.run_id for one in harness.load_reports(tmp_path)] == ["early", "late"]


def test_a_folder_without_reports_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match=r"no readable report\.json under"):
        harness.load_reports(tmp_path)


def damage(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "report.json").write_text("{")


def test_a_damaged_report_among_many_is_skipped_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a", run_id="good")
    damage(tmp_path)

    assert [one.run_id for one in harness.load_reports(tmp_path)] == ["good"]
    assert [str(tmp_path / "b" / "report.json") in text for text in caplog.messages] == [True]


def test_a_damaged_report_is_an_error_if_one_asks_for_it_or_there_is_no_other(tmp_path: Path) -> None:
    damage(tmp_path)
    with pytest.raises(RunNotFoundError, match=r"b/report\.json is not JSON"):
        harness.load_reports(tmp_path)

    write(tmp_path / "a")
    with pytest.raises(ReportInvalidError, match=r"b/report\.json"):
        harness.load_reports(tmp_path, strict=True)


def test_the_library_lists_its_own_names_alone() -> None:
    import harness.leaderboards

    assert harness.leaderboards.find_reports
    assert dir(harness) == sorted(harness.__all__)
    assert callable(harness.leaderboard)


class Display:
    """What a notebook's cell shows: one text for each display, changed by its handle."""

    def __init__(self) -> None:
        self.cells: list[Any] = []

    def __call__(self, shown: Any, *, display_id: bool = False) -> Any:
        self.cells.append(shown)
        at = len(self.cells) - 1
        return type("Handle", (), {"update": lambda _, new: self.cells.__setitem__(at, new)})()


def test_a_notebook_shows_a_bar_for_each_step_and_the_notices() -> None:
    seen, now = Display(), iter(range(100))
    progress = NotebookProgress(seen, clock=lambda: float(next(now)))
    with progress.step("training <b>", 8) as step:
        step.advance(3)
        step.tell("model 3")
        progress.notice("a & b")

    assert [repr(cell) for cell in seen.cells] == ["training <b>: 3/8 model 3", "Note: a & b"]
    assert "<b>" not in seen.cells[0]._repr_html_()
    assert 'value="3" max="8"' in seen.cells[0]._repr_html_()
    assert "a &amp; b" in seen.cells[1]._repr_html_()


def test_a_bar_is_not_redrawn_more_often_than_one_can_see() -> None:
    seen = Display()
    with NotebookProgress(seen, clock=lambda: 0.0).step("x", None) as step:
        step.advance()
        drawn = repr(seen.cells[0])

    assert (drawn, repr(seen.cells[0])) == ("x: 0", "x: 1")


def test_automatic_progress_is_a_bar_in_a_notebook_and_the_log_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with shown("auto") as progress:
        progress.notice("to the log")
    assert caplog.messages == ["to the log"]

    pytest.importorskip("IPython")
    kernel = type("Shell", (), {"kernel": object()})()
    monkeypatch.setattr("IPython.get_ipython", lambda: kernel)
    with shown("auto") as progress:
        assert isinstance(progress, NotebookProgress)


def test_a_mistake_is_an_error_that_can_be_caught_and_ends_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TaskNotFoundError, match="Did you mean 'faces'"):
        harness.run("finetune", "facse")
    with pytest.raises(harness.HarnessError):
        harness.run("finetune", models=0)
    assert capfd.readouterr().out == ""


def test_one_name_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\['lira'\]"):
        harness.run("finetune", evaluators="lira")


def test_several_versions_of_torch_are_several_calls() -> None:
    with pytest.raises(UsageError, match="once for each"):
        harness.run("finetune", torch="2.4.1,2.13.0")


def test_an_unknown_way_to_show_progress_is_refused() -> None:
    with pytest.raises(UsageError, match="progress"):
        harness.resume("nowhere", progress="bars")  # type: ignore[arg-type]


def test_without_progress_notices_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="harness"), shown(None) as progress:
        progress.notice("100 % sure")

    assert caplog.messages == ["100 % sure"]


def test_progress_of_ones_own_is_used_as_it_is() -> None:
    from harness.core.progress import SilentProgress

    mine = SilentProgress()
    with shown(mine) as progress:
        assert progress is mine
