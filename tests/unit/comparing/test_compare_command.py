from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli.compare import DRIFT_FOUND
from harness.cli.root import cli
from harness.comparing import LoadedReport
from harness.errors import NotComparableError, OutputUnwritableError, RunNotFoundError, UsageError
from harness.report.writing import write_report
from tests.markup import Tags
from tests.unit.comparing.samples import loaded, under_torch


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


def saved(folder: Path, **runs: LoadedReport) -> list[Path]:
    for name, one in runs.items():
        (folder / name).mkdir(parents=True)
        write_report(one.report, folder / name)
    return [folder / name for name in runs]


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return saved(tmp_path / "runs", finetune=loaded("finetune", 0.8), scrub=loaded("scrub", 0.6))


def drifting(folder: Path, auc: float) -> list[Path]:
    return saved(folder / "runs", new=under_torch("2.13.0", auc), old=under_torch("2.4.1", 0.8))


def test_runs_are_held_against_the_first(runs: list[Path]) -> None:
    ended = call(*reversed(runs))

    assert ended.exit_code == 0
    assert "worse ▼ 0.800" in ended.output


def test_a_folder_of_runs_will_do(runs: list[Path]) -> None:
    assert "better ▲ 0.600" in call(runs[0].parent).output


def on_task(name: str, **runs: float) -> dict[str, LoadedReport]:
    def moved(one: LoadedReport) -> LoadedReport:
        task = one.report.task.model_copy(update={"name": name})
        return LoadedReport(one.report.model_copy(update={"task": task}), one.folder)

    return {f"{name}-{method}": moved(loaded(method, auc)) for method, auc in runs.items()}


def test_runs_on_several_tasks_have_a_table_for_each_task(runs: list[Path], tmp_path: Path) -> None:
    more = saved(tmp_path / "more", **on_task("digits", finetune=0.7, scrub=0.8), **on_task("rows", ssd=0.6))

    ended = call(*runs, *more)

    assert ended.exit_code == 0
    assert ended.stdout.index("2 methods on faces") < ended.stdout.index("2 methods on digits")
    assert "on rows" not in ended.stdout
    assert f"Not compared: the only run on rows, {more[-1]}." in ended.stderr


def test_the_page_of_runs_on_several_tasks_has_a_part_for_each_task(runs: list[Path], tmp_path: Path) -> None:
    more = saved(tmp_path / "more", **on_task("digits", finetune=0.7, scrub=0.8))

    assert call(*runs, *more, "-o", tmp_path / "c.html").exit_code == 0
    page = Tags((tmp_path / "c.html").read_text())
    ids = [attributes["id"] for _, attributes in page.seen if "id" in attributes]
    assert page.text.index("2 methods on faces") < page.text.index("2 methods on digits")
    assert page.text.count("What the metrics measure") == 1
    assert len(ids) == len(set(ids))


def test_runs_that_are_each_the_only_one_on_their_task_are_refused(runs: list[Path], tmp_path: Path) -> None:
    more = saved(tmp_path / "more", **on_task("digits", finetune=0.7))

    assert call(runs[0], *more).exit_code == NotComparableError.exit_code
    assert call(*runs, *more, "--csv", tmp_path / "c.csv").exit_code == NotComparableError.exit_code
    assert not (tmp_path / "c.csv").exists()


def test_all_documents_are_written_and_the_table_shown(runs: list[Path], tmp_path: Path) -> None:
    names = {"-o": "c.html", "--csv": "c.csv", "--latex": "c.tex", "--json": "c.json"}
    options = [part for option, name in names.items() for part in (option, tmp_path / name)]

    ended = call(*runs, *options)

    assert ended.exit_code == 0
    assert "2 methods on faces" in ended.output
    assert (tmp_path / "c.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "c.csv").read_text().startswith("task,metric,")
    assert r"\begin{table*}" in (tmp_path / "c.tex").read_text()
    assert json.loads((tmp_path / "c.json").read_text())["kind"] == "methods"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["runs", *names.values()])


def test_a_dash_is_standard_output_and_nothing_else_is_printed_there(runs: list[Path]) -> None:
    lines = list(csv.reader(io.StringIO(call(*runs, "--csv", "-").stdout)))

    assert {len(line) for line in lines} == {len(lines[0])}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--csv", "-", "--json", "-"], "Two documents would be written to standard output"),
        (["--all", "--metric", "lira.auc"], "only one of --all and --metric"),
        (["--fail-on-drift", "--no-drift"], "contradict each other"),
        (["--metric", "lira.nothing"], "No metric"),
    ],
)
def test_contradicting_options_are_refused(runs: list[Path], options: list[str], message: str) -> None:
    ended = call(*runs, *options)

    assert ended.exit_code == UsageError.exit_code
    assert message in ended.output


def test_no_report_is_written_over(runs: list[Path]) -> None:
    before = (runs[0] / "report.json").read_bytes()

    ended = call(*runs, "--json", runs[0] / "report.json")

    assert ended.exit_code == UsageError.exit_code
    assert (runs[0] / "report.json").read_bytes() == before


def test_what_cannot_be_compared_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    other: dict[str, Any] = {"recipe": {"epochs": 99}}

    ended = call(*saved(tmp_path, a=loaded("a"), b=loaded("b", **other)))

    assert ended.exit_code == NotComparableError.exit_code
    assert "Other training recipe" in ended.output


def test_a_folder_that_holds_no_run_has_its_own(runs: list[Path], tmp_path: Path) -> None:
    assert call(*runs, tmp_path / "missing").exit_code == RunNotFoundError.exit_code


def test_a_file_that_cannot_be_written_has_its_own(runs: list[Path], tmp_path: Path) -> None:
    assert call(*runs, "-o", tmp_path / "no" / "such.html").exit_code == OutputUnwritableError.exit_code


def test_one_method_under_two_versions_of_torch_is_drift_without_being_told(tmp_path: Path) -> None:
    ended = call(*drifting(tmp_path, 0.6))

    assert ended.exit_code == 0
    assert "2 versions of torch" in ended.output
    assert "fell ▼ 0.600" in ended.output


def test_it_can_be_compared_as_methods_all_the_same(tmp_path: Path) -> None:
    assert "2 methods on faces" in call(*drifting(tmp_path, 0.6), "--no-drift").output


@pytest.mark.parametrize(("auc", "code"), [(0.6, DRIFT_FOUND), (0.81, 0)])
def test_drift_fails_where_that_is_asked_for_and_a_number_has_moved(tmp_path: Path, auc: float, code: int) -> None:
    assert call(*drifting(tmp_path, auc), "--fail-on-drift").exit_code == code


def test_other_methods_are_no_drift(runs: list[Path]) -> None:
    assert call(*runs, "--drift").exit_code == NotComparableError.exit_code
