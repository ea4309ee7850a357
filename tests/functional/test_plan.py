"""``harness run --dry-run``: the plan and the faults of a run, without the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.program import Program

RUN = ("run", "--plugin", "noop", "--runner", "process", "--cpus", "1", "--time-limit", "60", "--evaluator", "accuracy")


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_trains_and_writes_nothing_and_a_run_teaches_it_the_times(
    program: Program, task: Path, tmp_path: Path
) -> None:
    cache = {"HARNESS_CACHE_DIR": str(tmp_path / "cache")}
    before = program(*RUN, "--task", task, "--output", "r", "--dry-run", **cache)

    assert before.code == 0, before.err
    assert ", by a trial step" in " ".join(before.out.split())
    assert "success cannot be shown" in " ".join(before.out.split())
    assert not (tmp_path / "r").exists()
    assert not list((tmp_path / "cache").glob("references/*"))

    ended = program(*RUN, "--task", task, "--output", "r", **cache)
    assert ended.code == 0, ended.err
    told = " ".join(ended.err.split())
    assert told.index("Plan: 12 reference models, 12 to train (about") < told.index("training reference models")
    assert "4 models: success cannot be shown" in told

    files = _files(tmp_path)
    after = program(*RUN, "--task", task, "--dry-run", **cache)
    assert after.code == 0, after.err
    assert "12 cached, 0 to train: no time" in after.out
    assert "unknown" not in after.out.partition("Times are")[0]
    assert _files(tmp_path) == files


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (("--task", "no-such"), 20, "No task named"),
        (("--plugin", "finetun"), 10, "Did you mean 'finetune'?"),
        (("--set", "lr=1"), 2, "noop has no option 'lr'"),
        (("--evaluator", "lyra"), 51, "Did you mean 'lira'?"),
        (("--models", "100000000"), 2, "12.7 years"),
        (("--torch", "1.0"), 2, "--torch 1.0 is not available"),
        (("--output", "full"), 40, "--output"),
    ],
)
def test_a_dry_run_ends_with_the_fault_that_the_run_would_end_with(
    program: Program, task: Path, tmp_path: Path, more: tuple[str, ...], code: int, told: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    ended = program(*RUN, "--task", task, *more, "--dry-run")

    assert ended.code == code, ended.err
    assert told in " ".join(ended.err.split())


def test_a_dry_run_of_anothers_plugin_needs_docker_as_the_run_does(
    program: Program, task: Path, wheel: Callable[[str], Path]
) -> None:
    ended = program("run", "--plugin", wheel(""), "--task", task, "--dry-run")

    assert ended.code == 34
