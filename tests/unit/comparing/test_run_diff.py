"""What differs between two runs is shown, and nothing else, whatever state they are in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli.root import cli
from harness.comparing.run_diff import SECTIONS, Change, RunDiff, diff
from harness.errors import RunNotFoundError
from harness.report.document import Report
from tests.unit.comparing.samples import HOSTILE, report
from tests.unit.report.examples import outcome, plugin_error
from tests.unit.shelf import begin, finish, stop


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["diff", *map(str, arguments)])


def differences(tmp_path: Path, first: Report, second: Report) -> RunDiff:
    finish(tmp_path / "a", first)
    finish(tmp_path / "b", second)
    return diff(tmp_path / "a", tmp_path / "b")


def test_two_equal_runs_differ_in_nothing(tmp_path: Path) -> None:
    made = differences(tmp_path, report(), report())

    assert (made.inputs, made.outcome, made.notices) == ((), (), ())
    assert made.same == SECTIONS
    assert "Inputs: no difference." in call(tmp_path / "a", tmp_path / "b").output


def test_fields_that_differ_are_named_with_both_values(tmp_path: Path) -> None:
    other = report()
    other = other.model_copy(
        update={
            "plugin": replace(other.plugin, options={"epochs": 2, "deep": {"er": [1, 2]}}),
            "recipe": {"epochs": 10, "lr": 0.2},
            "seeds": other.seeds.model_copy(update={"run": 8}),
            "libraries": {"torch": "2.13.0"},
        }
    )
    made = differences(tmp_path, report(), other)

    assert made.inputs == (
        Change("method", "options.epochs", 1, 2),
        Change("method", "options.deep.er", None, [1, 2]),
        Change("task", "recipe.lr", 0.1, 0.2),
        Change("run", "seed", 7, 8),
        Change("software", "libraries.numpy", "2.4.6", None),
    )
    assert made.same == ("machine",)


def test_files_are_listed_for_one_package_and_not_for_two(tmp_path: Path) -> None:
    first = report()
    first = first.model_copy(update={"plugin": replace(first.plugin, files={"a.py": "1" * 64, "b.py": "2" * 64})})
    edited = replace(first.plugin, files={"a.py": "3" * 64, "b.py": "2" * 64})
    one = differences(tmp_path / "one", first, first.model_copy(update={"plugin": edited}))
    other = first.model_copy(update={"plugin": replace(edited, distribution="another")})
    two = differences(tmp_path / "two", first, other)

    assert one.inputs == (Change("method", "files.a.py", "1" * 12, "3" * 12),)
    assert [change.name for change in two.inputs] == ["distribution"]


def test_metrics_are_shown_with_the_significance_of_their_difference(tmp_path: Path) -> None:
    made = differences(tmp_path, report("finetune", 0.8), report("scrub", 0.6))
    remarks = {one.name: (one.first, one.second, one.remark) for one in made.outcome}

    assert remarks == {"lira auc": ("0.800 (0.780 to 0.820)", "0.600 (0.580 to 0.620)", "better")}
    close = differences(tmp_path / "close", report("finetune", 0.8), report("scrub", 0.79))
    assert [one.remark for one in close.outcome] == ["not significant"]


def test_runs_that_are_not_comparable_are_told_apart_all_the_same(tmp_path: Path) -> None:
    made = differences(tmp_path, report("finetune", 0.8), report("scrub", 0.6, recipe={"epochs": 3}))

    assert [one.name for one in made.inputs] == ["name", "recipe.epochs", "recipe.lr"]
    assert [(one.name, one.remark) for one in made.outcome] == [("lira auc", "")]
    assert "training recipe" in made.notices[0]


def test_what_came_of_a_run_is_part_of_the_outcome(tmp_path: Path) -> None:
    failed = report(outcomes=[plugin_error(0), *(outcome(index) for index in range(1, 8))])
    made = differences(tmp_path, report(), failed)
    seen = {one.name: (one.first, one.second) for one in made.outcome}

    assert seen["returned models"] == (8, 7)
    assert seen["failed models"] == (0, 1)
    assert seen["most frequent failure"] == (None, "the plugin raised an exception")


def test_an_interrupted_run_is_told_from_a_finished_one(tmp_path: Path) -> None:
    from tests.unit.report.examples import build_report

    finish(tmp_path / "a", build_report())
    stop(tmp_path / "b", ended=3, models=8)
    made = diff(tmp_path / "a", tmp_path / "b")

    assert ("state", "finished", "interrupted") in {(one.name, one.first, one.second) for one in made.outcome}
    assert not any(one.name.startswith("evaluators") for one in made.inputs)
    assert made.notices == ()


def test_a_run_without_models_is_compared_by_its_options(tmp_path: Path) -> None:
    begin(tmp_path / "a", options={"lr": 0.1})
    begin(tmp_path / "b", options={"lr": 0.2}, seed=3, task="cifar10")
    made = diff(tmp_path / "a", tmp_path / "b")

    assert [(one.section, one.name) for one in made.inputs] == [
        ("method", "options.lr"),
        ("task", "name"),
        ("run", "--seed"),
    ]
    assert made.outcome == ()
    assert "only the options are compared" in made.notices[0]


def test_a_damaged_run_and_a_folder_without_one_are_errors(tmp_path: Path) -> None:
    finish(tmp_path / "a")
    (tmp_path / "b").mkdir()
    assert call(tmp_path / "a", tmp_path / "b").exit_code == RunNotFoundError.exit_code

    finish(tmp_path / "c")
    (tmp_path / "c" / "report.json").write_text("{")
    ended = call(tmp_path / "a", tmp_path / "c")
    assert ended.exit_code == RunNotFoundError.exit_code
    assert "report.json is not JSON" in ended.output


def test_the_table_fits_80_columns_and_shows_texts_as_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = report("scrub", 0.6)
    other = other.model_copy(update={"plugin": replace(other.plugin, options={HOSTILE: HOSTILE * 5, "x": None})})
    monkeypatch.chdir(tmp_path)
    differences(Path(), report("finetune", 0.8), other)
    output = call("a", "b").output

    assert max(map(len, output.splitlines())) <= 80
    assert "\x1b" not in output
    assert "[bold red]" in output.replace("\n", "").replace(" ", "").replace("boldred", "bold red")


def test_json_has_all_differences(tmp_path: Path) -> None:
    differences(tmp_path, report("finetune", 0.8), report("scrub", 0.6))
    found = json.loads(call(tmp_path / "a", tmp_path / "b", "--json").output)

    assert found["inputs"] == [
        {"section": "method", "name": "name", "first": "finetune", "second": "scrub", "remark": ""}
    ]
    assert found["outcome"][0]["remark"] == "better"
    assert [Path(one["folder"]).name for one in found["runs"]] == ["a", "b"]
