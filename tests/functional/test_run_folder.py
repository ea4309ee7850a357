"""A run folder needs nothing but the cache: it can be moved, its task file can go, and it can be judged before it has ended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.report.writing import load_report
from tests.functional.ground import Ground
from tests.program import TASK, Program, numbers_of, report_of

RUN = ("run", "--runner", "process", "--cpus", "1", "--time-limit", "60", "--plugin", "noise", "--evaluator", "ks")
PICTURES = """\
schema: 1
name: mine
description: mine
dataset: {kind: image-folder, directory: ./pictures, labels: ./pictures/labels.csv, size: 8}
forget: {by: random, fraction: 0.2}
splits: {validation: 0.1, test: 0.2}
architecture: {name: small-cnn, options: {width: 4}}
recipe: {epochs: 1, batch_size: 16}
models: 2
"""


def _pictures(folder: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    folder.mkdir()
    rows = ["file,label"]
    for number in range(60):
        image.new("RGB", (8, 8), (4 * number, 255 - 4 * number, 7)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{'cat' if number % 2 else 'dog'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def test_a_moved_run_whose_task_file_is_gone_is_judged_again(program: Program, task: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    task.rename(tmp_path / "a" / "small.yaml")
    ended = program(*RUN, "--task", "a/small.yaml", "--output", "a/run")
    assert ended.code == 0, ended.err
    before = numbers_of(tmp_path / "a" / "run")

    run = (tmp_path / "a" / "run").rename(tmp_path / "b" / "run")
    (tmp_path / "a" / "small.yaml").write_text("no task any more")
    ended = program("evaluate", run, "--evaluator", "ks")

    assert ended.code == 0, ended.err
    assert numbers_of(run) == before


def test_a_folder_that_is_moved_with_its_run_and_its_pictures_is_judged_again(program: Program, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    _pictures(tmp_path / "a" / "pictures")
    (tmp_path / "a" / "task.yaml").write_text(PICTURES)
    ended = program(*RUN, "--task", "a/task.yaml", "--output", "a/runs/1")
    assert ended.code == 0, ended.err

    moved = (tmp_path / "a").rename(tmp_path / "elsewhere") / "runs" / "1"
    ended = program("evaluate", moved, "--evaluator", "ks")

    assert ended.code == 0, ended.err


def _stopped(ground: Ground, folder: Path) -> Path:
    """Make a run that was stopped in its third of four models, with all that a report needs."""
    run = shutil.copytree(ground.undisturbed, folder)
    for lost in ("report.json", "report.html", "models/0002/outcome.json", "models/0003"):
        place = run / lost
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    return run


def test_a_stopped_run_is_judged_as_far_as_it_came_and_goes_on_to_the_same_numbers(
    ground: Ground, tmp_path: Path
) -> None:
    run = _stopped(ground, tmp_path / "r")
    judged = ground.program("evaluate", run, "--evaluator", "ks", "--evaluator", "accuracy")
    report = load_report(run)

    assert judged.code == 0, judged.err
    assert [model.status.value for model in report.models] == ["ok", "ok", "infra_error", "infra_error"]
    assert "harness resume" in report.models[3].advice
    assert (report.status, report.populations.failed_models) == ("partial", 2)
    assert report.plugin.name == "stranger"
    assert {one.name for one in report.evaluators} == {"ks", "accuracy"}

    resumed = ground.program("resume", run)

    assert resumed.code == 0, resumed.err
    # "evaluate" left the run with the evaluators that it was asked for.
    known = {name: value for name, value in ground.numbers.items() if not name.startswith("lira")}
    assert numbers_of(run) == known
    assert [model["attempts"] for model in report_of(run)["models"]] == [1, 1, 2, 1]


def test_a_report_that_models_have_outrun_is_not_taken_for_the_runs(ground: Ground, tmp_path: Path) -> None:
    run = _stopped(ground, tmp_path / "r")
    ground.program("evaluate", run, "--evaluator", "ks")
    shutil.copytree(ground.undisturbed / "models", run / "models", dirs_exist_ok=True)
    judged = ground.program("evaluate", run, "--evaluator", "ks")

    assert judged.code == 0, judged.err
    assert load_report(run).status == "complete"


def test_a_run_of_which_no_model_has_ended_is_not_judged(ground: Ground, tmp_path: Path) -> None:
    run = _stopped(ground, tmp_path / "r")
    shutil.rmtree(run / "models")
    (run / "models").mkdir()
    judged = ground.program("evaluate", run)

    assert judged.code == 43
    assert f"harness resume {run}" in judged.err


def test_a_run_goes_on_with_the_task_that_it_was_begun_with_and_says_so(ground: Ground, tmp_path: Path) -> None:
    run = _stopped(ground, tmp_path / "r")
    task = tmp_path / "edited.yaml"
    task.write_text(TASK.replace("epochs: 4", "epochs: 5"))
    begun = json.loads((run / "run.json").read_text())
    begun["config"]["task"] = str(task)
    (run / "run.json").write_text(json.dumps(begun))
    resumed = ground.program("resume", run)

    assert resumed.code == 0, resumed.err
    assert f"{task} has changed since" in " ".join(resumed.err.split())
    assert numbers_of(run) == ground.numbers


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ({"task": 5}, "cannot be read by this version"),
        ({"task": {"definition": {"schema": 9}, "source": "", "folder": "/", "from_run": "."}}, "cannot be read by"),
        ({"limit": {"limit_s": "much"}}, "run.json is damaged"),
        ({"identity": {"device": []}}, "run.json is damaged"),
        ({"config": {"plugin": 5}}, "damaged"),
    ],
)
def test_a_damaged_run_record_is_one_line(ground: Ground, tmp_path: Path, damage: dict[str, Any], named: str) -> None:
    run = _stopped(ground, tmp_path / "r")
    begun = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**begun, **damage}))
    for command in ("evaluate", "resume"):
        ended = ground.program(command, run)
        assert ended.code in (2, 43), (ended.code, ended.err)
        assert named in " ".join(ended.err.split())
