"""The whole program with evaluators that end their process, return rubbish or write to the evidence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.program import NO_DOCKER, TASK, Program, report_of
from tests.unit.evaluators import misbehaving

CHOSEN = (misbehaving.leaves, misbehaving.ends, misbehaving.crashes, misbehaving.returns_a_dict, misbehaving.unlocks)
PROVIDER = """
from harness.evaluation import EvaluatorInfo, hookimpl

class Provider:
    def __init__(self, function):
        self.function = function

    @hookimpl
    def harness_evaluator(self):
        return EvaluatorInfo(name=self.function.__name__, version="1", summary="", evaluate=self.function)

"""
GOOD = ("lira", "accuracy")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for PYTHONPATH with misbehaving evaluators."""
    site = tmp_path_factory.mktemp("site")
    names = [one.__name__ for one in CHOSEN]
    info = site / "misbehaving-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n")
    points = "".join(f"{name} = misbehaving_hooks:{name}\n" for name in names)
    (info / "entry_points.txt").write_text(f"[harness.evaluators]\n{points}")
    shutil.copy(misbehaving.__file__, site / "misbehaving.py")
    hooks = "".join(f"{name} = Provider(misbehaving.{name})\n" for name in names)
    (site / "misbehaving_hooks.py").write_text(f"import misbehaving\n{PROVIDER}{hooks}")
    return site


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, site: Path, shared_cache: Path) -> Path:
    """Run noop, scored by the misbehaving evaluators and by two that behave."""
    folder = tmp_path_factory.mktemp("judged")
    (folder / "task.yaml").write_text(TASK)
    program = Program({**os.environ, "HARNESS_CACHE_DIR": str(shared_cache), "DOCKER_HOST": NO_DOCKER}, folder)
    names = [*(one.__name__ for one in CHOSEN), *GOOD]
    chosen = [part for name in names for part in ("--evaluator", name)]
    given = ("--runner", "process", "--plugin", "noop", "--task", "task.yaml", "--time-limit", "60", "--output", "r")
    ended = program("run", *given, *chosen, PYTHONPATH=str(site))
    assert ended.code == 0, ended.err
    return folder / "r"


def test_the_report_is_written_and_each_mistake_is_a_record(run: Path) -> None:
    records = {record["name"]: record for record in report_of(run)["evaluators"]}

    for mistake in CHOSEN:
        assert misbehaving.MISTAKES[mistake] in records[mistake.__name__]["error"]
    for name in GOOD:
        assert records[name]["error"] is None


def test_those_that_behave_say_what_they_say_alone(program: Program, run: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(run, tmp_path / "r")

    ended = program("evaluate", alone, "--evaluator", "lira", "--evaluator", "accuracy")

    assert ended.code == 0, ended.err
    before, after = (
        {one["name"]: one["metrics"] for one in report_of(folder)["evaluators"] if one["name"] in GOOD}
        for folder in (run, alone)
    )
    assert before == after


def test_a_run_whose_evaluators_are_gone_can_be_finished(program: Program, run: Path, tmp_path: Path) -> None:
    left = shutil.copytree(run, tmp_path / "r")
    (left / "report.json").unlink()

    ended = program("resume", left)

    assert ended.code == 0, ended.err
    assert "No evaluator named 'leaves'" in ended.err
    report = report_of(left)
    assert {one["name"] for one in report["evaluators"]} == set(GOOD)
    assert any("No evaluator named 'ends'" in text for text in report["warnings"])


def test_a_limit_that_is_none_is_told_before_anything_is_made(program: Program) -> None:
    ended = program("run", "--runner", "process", "--plugin", "noop", "--output", "r", HARNESS_EVALUATOR_LIMIT_S="soon")

    assert ended.code == 2
    assert "HARNESS_EVALUATOR_LIMIT_S must be a number of seconds" in ended.err
    assert not (program.folder / "r").exists()
