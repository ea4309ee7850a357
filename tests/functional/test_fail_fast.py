"""A run that cannot succeed ends early with its cause, and one that never began leaves no folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.report.writing import load_report
from tests.program import Program

RUN = ("run", "--runner", "process", "--cpus", "1", "--time-limit", "60", "--evaluator", "accuracy")
FAULTY = """
import pluggy
@pluggy.HookimplMarker("harness")
def unlearn(model, context):
    raise RuntimeError(f"my fault, seed {context.seed}")
"""


@pytest.fixture
def faulty(wheel: Callable[[str], Path]) -> Path:
    return wheel(FAULTY)


def test_a_run_stops_after_three_models_that_fail_alike_and_can_be_told_to_go_on(
    program: Program, faulty: Path, task: Path, tmp_path: Path
) -> None:
    run = tmp_path / "r"
    ended = program(*RUN, "--plugin", faulty, "--task", task, "--output", run)

    assert ended.code == 3, ended.err
    assert "my fault" in ended.out
    assert "1 more was not started" in " ".join(ended.out.split())
    assert [model.index for model in load_report(run).models] == [0, 1, 2]

    again = program("resume", run)
    assert again.code == 3, again.err
    assert [model.attempts for model in load_report(run).models] == [1, 1, 1]
    judged = program("evaluate", run)
    assert judged.code == 3, judged.err
    assert len(load_report(run).models) == 3

    resumed = program("resume", run, "--keep-going")
    report = load_report(run)
    assert resumed.code == 3, resumed.err
    assert [model.attempts for model in report.models] == [1, 1, 1, 1]
    assert len(report.seeds.models) == 4
    assert not any("not started" in text for text in report.warnings)


def test_with_keep_going_all_models_are_run(program: Program, faulty: Path, task: Path, tmp_path: Path) -> None:
    program(*RUN, "--plugin", faulty, "--task", task, "--output", tmp_path / "r", "--keep-going")

    assert len(load_report(tmp_path / "r").models) == 4


def test_a_run_that_fails_before_its_first_model_leaves_no_folder(program: Program, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nname: mine\ndescription: x\ndataset: {kind: image-folder, directory: ./none, labels: ./none.csv, size: 8}\n"
        "forget: {by: random, fraction: 0.2}\nsplits: {validation: 0.1, test: 0.2}\narchitecture: {name: small-cnn}\n"
        "recipe: {epochs: 1}\nmodels: 2\n"
    )
    ended = program(*RUN, "--plugin", "noop", "--task", "mine.yaml", "--output", "r")

    assert ended.code == 22, ended.err
    assert not (tmp_path / "r").exists()


def test_a_folder_that_was_there_before_stays(program: Program, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    ended = program(*RUN, "--plugin", tmp_path / "none.whl", "--output", "r", "--task", "faces")
    assert ended.code == 10, ended.err

    assert list((tmp_path / "r").iterdir()) == []


def test_force_replaces_a_run_and_nothing_else(program: Program, finished: Path, task: Path, tmp_path: Path) -> None:
    order = (*RUN, "--plugin", "noop", "--task", task, "--force", "--output")
    (finished / "note.txt").write_text("mine")
    before = json.loads((finished / "run.json").read_text())["run_id"]
    refused = program(*RUN, "--plugin", "noop", "--task", task, "--output", finished)
    assert refused.code == 40
    assert "--force" in refused.err
    replaced = program(*order, finished)
    assert replaced.code == 0, replaced.err
    assert json.loads((finished / "run.json").read_text())["run_id"] != before
    assert not (finished / "note.txt").exists()

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    assert program(*order, tmp_path / "other").code == 40
    assert (tmp_path / "other" / "thesis.tex").exists()


def test_an_option_that_the_plugin_does_not_declare_is_refused_before_anything_runs(
    program: Program, wheel: Callable[[str], Path], tmp_path: Path
) -> None:
    plugin = wheel('HARNESS_OPTIONS = {"rate": 0.1}\nraise SystemExit("imported on the host")\n')
    ended = program(*RUN, "--plugin", plugin, "--set", "rat=1", "--output", "r")

    assert ended.code == 2
    assert "has no option 'rat'. Did you mean 'rate'?" in " ".join(ended.err.split())
    assert not (tmp_path / "r").exists()
