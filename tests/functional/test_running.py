"""``harness run`` on the process runner: what a user gets, and that seeds are kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.runs import NO_MODEL_FINISHED
from harness.report.writing import load_report
from harness.runs.store import RunStore
from tests.program import NO_DOCKER, TASK, Program, numbers_of, report_of

RUN = ("run", "--runner", "process", "--cpus", "1", "--time-limit", "60")
ACCURACY = ("--evaluator", "accuracy")  # for runs of which no score is looked at


def test_a_run_ends_with_a_valid_report_and_a_summary(program: Program, task: Path, tmp_path: Path) -> None:
    ended = program(*RUN, "--plugin", "finetune", "--task", task, "--output", tmp_path / "r")

    assert ended.code == 0, ended.err
    report = load_report(tmp_path / "r")
    assert (report.status, len(report.models), report.populations.control.size) == ("complete", 4, 4)
    assert "control" in ended.out
    assert (tmp_path / "r" / "report.html").is_file()


def test_the_limit_is_measured_through_the_same_runner_and_kept(program: Program, task: Path, tmp_path: Path) -> None:
    # Measured under a memory limit of its own, so that no other test has done it before.
    arguments = (
        "run",
        "--runner",
        "process",
        "--cpus",
        "1",
        "--plugin",
        "noop",
        "--task",
        task,
        "--memory",
        "3001",
        *ACCURACY,
    )
    budgets = []
    for name in ("a", "b"):
        ended = program(*arguments, "--budget-fraction", "50", "--output", tmp_path / name)
        assert ended.code == 0, ended.err
        budgets.append(report_of(tmp_path / name)["budget"])

    assert [budget["cached"] for budget in budgets] == [False, True]
    assert budgets[0]["retrain_s"] == budgets[1]["retrain_s"]
    assert budgets[0]["limit_s"] == pytest.approx(50 * budgets[0]["retrain_median_s"])


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    """Run a method three times: ``a`` and ``b`` with seed 7, ``c`` with 8; ``b`` in a new interpreter."""
    folder = tmp_path_factory.mktemp("seeded")
    (folder / "tiny.yaml").write_text(TASK)
    program = Program({**os.environ, "HARNESS_CACHE_DIR": str(shared_cache), "DOCKER_HOST": NO_DOCKER}, folder)
    for run, name, seed in ((program, "a", "7"), (program.afresh, "b", "7"), (program, "c", "8")):
        ended = run(*RUN, "--plugin", "noise", "--task", "tiny.yaml", "--seed", seed, "--output", name)
        assert ended.code == 0, ended.err
    return folder


def test_same_seeds_give_the_same_numbers_and_another_seed_others(seeded: Path) -> None:
    assert numbers_of(seeded / "a") == numbers_of(seeded / "b")
    assert numbers_of(seeded / "a") != numbers_of(seeded / "c")


def test_evaluators_draw_alike_whatever_the_seed_of_the_run(seeded: Path) -> None:
    """Else two runs of one method would differ by which examples an attack happened to be tried on."""
    one, other = (load_report(seeded / name).metric("membership", "simple_mia") for name in ("a", "c"))

    assert one is not None
    assert other is not None
    assert one.control is not None
    assert one.control == other.control


DRAWS = """
import pluggy, torch
@pluggy.HookimplMarker("harness")
def unlearn(model):
    with torch.no_grad():
        last = list(model.parameters())[-1]
        last.copy_(torch.randn_like(last) * 0 + torch.rand(()))
"""


def test_models_of_one_run_draw_different_random_numbers(
    program: Program, task: Path, wheel: Callable[[str], Path], tmp_path: Path
) -> None:
    ended = program(
        *RUN, "--plugin", wheel(DRAWS), "--task", task, "--keep-weights", *ACCURACY, "--output", tmp_path / "r"
    )
    assert ended.code == 0, ended.err

    from safetensors.numpy import load_file

    states = [load_file(tmp_path / "r" / "models" / f"{index:04d}" / "weights.safetensors") for index in range(4)]
    biases = [
        next(array for name, array in sorted(state.items(), reverse=True) if array.shape == (10,))[0]
        for state in states
    ]
    assert len(set(map(float, biases))) == 4


def test_the_noop_scores_exactly_as_its_own_reference_row(finished: Path) -> None:
    accuracy = load_report(finished).metric("accuracy", "forget")
    assert accuracy is not None
    assert accuracy.value == pytest.approx(accuracy.noop, abs=1e-9)


def test_a_plugin_that_returns_no_model_is_a_result_with_an_exit_code_of_its_own(
    program: Program, task: Path, wheel: Callable[[str], Path], tmp_path: Path
) -> None:
    source = (
        'import pluggy\n@pluggy.HookimplMarker("harness")\ndef unlearn(model):\n    raise RuntimeError("my fault")\n'
    )
    ended = program(*RUN, "--plugin", wheel(source), "--task", task, "--output", tmp_path / "r")

    assert ended.code == NO_MODEL_FINISHED, ended.err
    report = load_report(tmp_path / "r")
    assert {model.status.value for model in report.models} == {"plugin_error"}
    assert "my fault" in (report.models[0].evidence.error_message or "")
    assert report.verdict.level == "failed"


def test_the_report_says_that_there_was_no_isolation(program: Program, task: Path, tmp_path: Path) -> None:
    ended = program(
        "run", "--plugin", "noop", "--task", task, "--time-limit", "60", "--cpus", "1", *ACCURACY,
        "--output", tmp_path / "r",
    )  # fmt: skip

    assert ended.code == 0, ended.err
    report = load_report(tmp_path / "r")
    assert report.runner.name == "process"
    assert any("without isolation" in warning for warning in report.warnings)


def test_options_reach_the_plugin_and_the_report(
    program: Program, task: Path, wheel: Callable[[str], Path], tmp_path: Path
) -> None:
    source = (
        'import pluggy\n@pluggy.HookimplMarker("harness")\ndef unlearn(model, context):\n'
        '    assert dict(context.options) == {"lr": 0.5, "name": "x"}, context.options\n'
    )
    options = ("--set", "lr=0.5", "--set", "name=x")
    ended = program(*RUN, "--plugin", wheel(source), "--task", task, *options, *ACCURACY, "--output", tmp_path / "r")

    assert ended.code == 0, ended.out
    assert report_of(tmp_path / "r")["plugin"]["options"] == {"lr": 0.5, "name": "x"}


def test_a_finished_run_can_be_resumed_and_says_the_same(program: Program, finished: Path) -> None:
    before = numbers_of(finished)

    assert program("resume", finished).code == 0
    assert numbers_of(finished) == before
    assert [outcome.attempts for outcome in RunStore(finished).finished().values()] == [1, 1, 1, 1]


def test_a_report_says_in_how_many_models_the_weights_are_the_originals(finished: Path) -> None:
    report = report_of(finished)

    assert [model["unchanged"] for model in report["models"]] == [True] * 4
    assert "The weights are the original's, bit for bit, in 4 of 4 models." in report["warnings"]
