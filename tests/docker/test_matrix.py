"""One plugin under several versions of torch, in images."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import pytest

from harness.report.writing import load_report
from tests.program import TASK, Program

HOST = importlib.metadata.version("torch").partition("+")[0]
ABSENT = "99.0"


@pytest.fixture
def here(tmp_path: Path) -> Program:
    (tmp_path / "tiny.yaml").write_text(TASK)
    return Program({**os.environ, "COLUMNS": "100"}, tmp_path)


def _arguments(versions: str) -> tuple[str, ...]:
    run = ("run", "--plugin", "noise", "--task", "tiny.yaml", "--runner", "docker", "--cpus", "1", "--time-limit", "60")
    return (*run, "--torch", versions, "--output", "m")


def test_finished_versions_are_kept_and_not_done_again(here: Program) -> None:
    """The last version cannot be had, so that the matrix stops before it, and again when it is resumed."""
    stopped = here(*_arguments(f"{ABSENT},{HOST}"), "--models", "2", "--evaluator", "accuracy")
    report = here.folder / "m" / f"torch-{HOST}" / "report.json"
    written = report.stat().st_mtime_ns
    resumed = here("resume", "m")

    assert (stopped.code, resumed.code) == (31, 31)
    assert f"torch=={ABSENT}" in resumed.err
    assert load_report(report.parent).status == "complete"
    assert report.stat().st_mtime_ns == written
    assert "unlearning" not in resumed.err


@pytest.mark.slow
def test_numbers_under_the_oldest_torch_are_held_against_those_under_the_hosts(here: Program) -> None:
    """Some GB of downloads, where the index has no small build of the old version."""
    ended = here(*_arguments(f"{HOST},2.4.1"))

    assert ended.code == 0, ended.err
    versions = {str(load_report(here.folder / "m" / f"torch-{version}").runner.torch) for version in (HOST, "2.4.1")}
    assert len(versions) == 2
    assert "2.4.1" in ended.out
    assert "accuracy" in ended.out
