"""Several versions of torch: how their list is read, and what becomes of a matrix that is stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.progress import SilentProgress
from harness.errors import RunNotFoundError, UsageError
from harness.runs.config import RunConfig
from harness.runs.torch_matrix import is_matrix, resume_matrix, run_matrix, torch_versions


def test_versions_are_ordered_as_versions_are() -> None:
    assert torch_versions("2.13.0, 2.4.1,2.13.0+cpu") == ("2.4.1", "2.13.0", "2.13.0+cpu")


@pytest.mark.parametrize(
    ("text", "why"), [("2.4.1,", "comma-separated versions"), ("2.4,x", "'x'"), ("2.4,2.4.0", "twice")]
)
def test_other_lists_are_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        torch_versions(text)


def test_a_process_has_but_one_torch(tmp_path: Path) -> None:
    config = RunConfig("noop", runner="process", output=str(tmp_path / "m"))

    with pytest.raises(UsageError, match="need images"):
        run_matrix(config, ["2.4.1", "2.13.0"], SilentProgress())
    assert not (tmp_path / "m").exists()


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    (tmp_path / "matrix.json").write_text('{"torch": ["2.4.1"]}')

    assert is_matrix(tmp_path)
    with pytest.raises(RunNotFoundError, match="cannot be read"):
        resume_matrix(tmp_path, SilentProgress())


@pytest.mark.parametrize("begun", [True, False])
def test_another_number_of_workers_holds_for_all_versions_that_are_left(tmp_path: Path, begun: bool) -> None:
    config = RunConfig("noop", runner="docker", cpus=1, output=str(tmp_path / "m")).to_json()
    folder = tmp_path / "torch-2.4.1"
    folder.mkdir()
    (tmp_path / "matrix.json").write_text(json.dumps({"torch": [folder.name.partition("-")[2]], "config": config}))
    if begun:
        (folder / "run.json").write_text(json.dumps({"config": config, "run_id": "x", "created": "x"}))

    with pytest.raises(UsageError, match="--workers 4097 needs 4097 x 1 cores"):
        resume_matrix(tmp_path, SilentProgress(), workers=4097)
