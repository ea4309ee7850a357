"""Repeats, the design of one original, and judging a finished run again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from harness.errors import EvaluatorError, ResumeMismatchError, RunNotFoundError, UsageError
from harness.report.writing import load_report
from tests.program import NO_DOCKER, TASK, Program, numbers_of

RUN = ("run", "--runner", "process", "--cpus", "1", "--time-limit", "60", "--plugin", "noise")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    """Return a folder with a task and its finished run, scored by two evaluators."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(TASK)
    environment = {**os.environ, "HARNESS_CACHE_DIR": str(shared_cache), "DOCKER_HOST": NO_DOCKER}
    ended = Program(environment, folder)(
        *RUN, "--task", "tiny.yaml", "--output", "r", "--evaluator", "lira", "--evaluator", "accuracy"
    )
    assert ended.code == 0, ended.err
    return folder


@pytest.fixture
def run(finished: Path, task: Path, tmp_path: Path) -> Path:
    """Copy the finished run for this test."""
    folder = shutil.copytree(finished / "r", tmp_path / "r")
    begun = json.loads((folder / "run.json").read_text())
    begun["config"]["task"] = str(task)
    (folder / "run.json").write_text(json.dumps(begun))
    return folder


def test_repeats_unlearn_each_original_again_with_another_seed(
    program: Program, run: Path, task: Path, tmp_path: Path
) -> None:
    ended = program(
        *RUN, "--task", task, "--repeats", "2", "--output", tmp_path / "twice", "--evaluator", "lira",
        "--evaluator", "accuracy",
    )  # fmt: skip

    assert ended.code == 0, ended.err
    once, twice = load_report(run), load_report(tmp_path / "twice")
    assert [model.original for model in twice.models] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert len({model.seed for model in twice.models}) == 8
    assert twice.design.repeats == 2
    assert "4 originals, 2 times each" in " ".join(ended.out.split())
    # Distributions are compared over independent models alone: over the first repeat of each original.
    assert twice.evaluator("lira").metrics == once.evaluator("lira").metrics  # type: ignore[union-attr]


def test_one_original_is_unlearned_again_and_again(program: Program, task: Path, tmp_path: Path) -> None:
    design = ("--design", "one-original", "--evaluator", "lira")
    ended = program(*RUN, "--task", task, *design, "--output", tmp_path / "r")

    assert ended.code == 0, ended.err
    report = load_report(tmp_path / "r")
    assert [model.original for model in report.models] == [0, 0, 0, 0]
    assert (report.design.name, report.design.originals, report.design.repeats) == ("one-original", 1, 4)
    assert report.metric("lira", "auc").value is not None  # type: ignore[union-attr]


def test_a_deterministic_method_on_one_original_is_said_to_be_that(
    program: Program, task: Path, tmp_path: Path
) -> None:
    design = ("--design", "one-original", "--evaluator", "lira", "--evaluator", "forgetting_quality")
    ended = program(*RUN[:-1], "noop", "--task", task, *design, "--output", tmp_path / "r")

    assert ended.code == 0, ended.err
    report = load_report(tmp_path / "r")
    assert report.verdict.level == "unclear"
    assert "deterministic" in " ".join(report.warnings)
    assert report.metric("forgetting_quality", "f_official").value is None  # type: ignore[union-attr]


def test_repeats_and_one_original_exclude_each_other(program: Program, task: Path) -> None:
    ended = program(*RUN, "--task", task, "--design", "one-original", "--repeats", "2")

    assert ended.code == UsageError.exit_code
    assert "--models" in ended.err


def test_judging_again_gives_the_same_numbers_and_adds_those_that_were_left_out(program: Program, run: Path) -> None:
    before = load_report(run)
    ended = program("evaluate", run)

    assert ended.code == 0, ended.err
    after = load_report(run)
    assert after.rejudged is not None
    assert {"klom", "ks"} < {one.name for one in after.evaluators}
    for old in before.evaluators:
        assert after.evaluator(old.name).metrics == old.metrics  # type: ignore[union-attr]
    assert after.models == before.models
    assert before.examples is not None
    assert after.examples is not None
    assert after.examples.of == before.examples.of
    assert not before.examples.groups  # it was judged without the evaluator that looks at single examples
    assert after.examples.groups


def test_judging_again_with_one_evaluator_leaves_the_others_as_they_are(program: Program, run: Path) -> None:
    before = numbers_of(run)
    ended = program("evaluate", run, "--evaluator", "ks")

    assert ended.code == 0, ended.err
    assert [one.name for one in load_report(run).evaluators] == ["accuracy", "ks", "lira"]
    assert before.items() <= numbers_of(run).items()


def _change_kept_task(run: Path, section: str, key: str, value: int) -> None:
    begun = json.loads((run / "run.json").read_text())
    begun["task"]["definition"][section][key] = value
    (run / "run.json").write_text(json.dumps(begun))


def test_judging_again_after_the_task_has_changed_is_refused(program: Program, run: Path) -> None:
    report = (run / "report.json").read_bytes()
    _change_kept_task(run, "dataset", "pictures", 5)
    ended = program("evaluate", run)

    assert ended.code == ResumeMismatchError.exit_code
    assert "data" in ended.err
    assert (run / "report.json").read_bytes() == report


def test_judging_again_after_the_recipe_has_changed_is_refused(program: Program, run: Path) -> None:
    _change_kept_task(run, "recipe", "epochs", 5)

    assert program("evaluate", run).code == ResumeMismatchError.exit_code


def test_judging_with_an_evaluator_that_is_not_there_says_so(program: Program, run: Path) -> None:
    ended = program("evaluate", run, "--evaluator", "lyra")

    assert ended.code == EvaluatorError.exit_code
    assert "lira" in ended.err


def test_a_run_that_says_nothing_of_its_report_cannot_be_judged(program: Program, run: Path, tmp_path: Path) -> None:
    (run / "report.json").unlink()
    (run / "begun.json").unlink()
    assert json.loads((run / "run.json").read_text())["run_id"]

    assert program("evaluate", run).code == RunNotFoundError.exit_code
    assert program("evaluate", tmp_path).code == RunNotFoundError.exit_code
