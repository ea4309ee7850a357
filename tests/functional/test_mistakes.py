"""A user's mistakes: each gets a clear message and an exit code of its own, before any long work."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.program import Program

NOOP = 'import pluggy\n@pluggy.HookimplMarker("harness")\ndef unlearn(model):\n    return model\n'


def test_a_misspelled_plugin_is_offered_its_near_match(program: Program) -> None:
    ended = program("run", "--plugin", "finetun")

    assert (ended.code, "Did you mean 'finetune'?" in ended.err) == (10, True)


def test_a_wheel_that_is_not_there_is_told_so(program: Program) -> None:
    ended = program("run", "--plugin", "./none-1.0-py3-none-any.whl")

    assert (ended.code, "none-1.0-py3-none-any.whl" in ended.err) == (10, True)


def test_a_misspelled_task_is_offered_its_near_match(program: Program) -> None:
    ended = program("run", "--plugin", "noop", "--task", "fashion-mnits")

    assert (ended.code, "Did you mean 'fashion-mnist'?" in ended.err) == (20, True)


def test_a_wrong_key_in_a_task_names_its_line_and_the_near_match(program: Program, task: Path) -> None:
    task.write_text(task.read_text().replace("models:", "modles:"))
    ended = program("run", "--plugin", "noop", "--task", task)

    assert ended.code == 21
    assert "line 9" in ended.err
    assert "models" in ended.err


def test_a_missing_dataset_says_what_to_do(program: Program, tmp_path: Path) -> None:
    task = tmp_path / "pictures.yaml"
    task.write_text(
        "schema: 1\nname: mine\ndescription: mine\n"
        "dataset: {kind: image-folder, directory: ./nowhere, labels: labels.csv}\n"
        "forget: {by: random, fraction: 0.1}\nsplits: {validation: 0.1, test: 0.1}\n"
    )
    ended = program("run", "--plugin", "noop", "--task", task, "--runner", "process")

    assert (ended.code, "nowhere" in ended.err) == (22, True)


def test_docker_asked_for_and_not_there_says_what_to_do(program: Program) -> None:
    ended = program("run", "--plugin", "noop", "--runner", "docker")

    assert ended.code == 30
    assert "DOCKER_HOST" in ended.err


def test_a_third_partys_plugin_is_refused_without_docker(program: Program, wheel: Callable[[str], Path]) -> None:
    ended = program("run", "--plugin", wheel(NOOP))

    assert (ended.code, "--runner process" in ended.err) == (34, True)


def test_an_output_below_a_file_cannot_be_written(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = program("run", "--plugin", "noop", "--runner", "process", "--output", tmp_path / "file" / "run")

    assert (ended.code, "--output" in ended.err) == (40, True)


def test_an_output_that_holds_something_is_left_alone(program: Program, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    ended = program("run", "--plugin", "noop", "--runner", "process", "--output", tmp_path / "full")

    assert ended.code == 40
    assert (tmp_path / "full" / "thesis.txt").read_text() == "precious"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_too_small_a_disk_for_the_run_is_told_before_any_work(program: Program, small_disk: Path) -> None:
    ended = program("run", "--plugin", "noop", "--runner", "process", "--output", small_disk / "run")

    assert (ended.code, "MiB are free" in ended.err) == (41, True)


def test_a_cache_disk_that_fills_up_is_told_and_leaves_nothing_half_made(
    program: Program, task: Path, small_disk: Path, tmp_path: Path
) -> None:
    (small_disk / "ballast").write_bytes(os.urandom((4 << 20) - (96 << 10)))
    ended = program(
        "run", "--plugin", "noop", "--runner", "process", "--task", task, "--output", tmp_path / "r",
        HARNESS_CACHE_DIR=str(small_disk / "cache"),
    )  # fmt: skip

    assert (ended.code, "HARNESS_CACHE_DIR" in ended.err) == (41, True)
    assert [path for path in (small_disk / "cache").rglob(".*") if path.is_dir()] == []


def test_an_impossible_option_is_refused(program: Program) -> None:
    ended = program("run", "--plugin", "noop", "--models", "0")

    assert (ended.code, "--models" in ended.err) == (2, True)


def test_an_unknown_evaluator_is_offered_its_near_match(program: Program) -> None:
    ended = program("run", "--plugin", "noop", "--evaluator", "liar")

    assert (ended.code, "lira" in ended.err) == (51, True)


def test_resuming_where_there_is_no_run_is_told_so(program: Program, tmp_path: Path) -> None:
    ended = program("resume", tmp_path)

    assert ended.code == 43


@pytest.mark.parametrize("command", ["plugins", "tasks", "evaluators", "schema", "--help", "--version"])
def test_listing_needs_no_docker(program: Program, command: str) -> None:
    assert program(command).code == 0


@pytest.mark.parametrize("command", ["plugins", "tasks", "evaluators", "doctor"])
def test_a_damaged_package_of_a_stranger_is_named_and_stops_no_command(
    program: Program, tmp_path: Path, command: str
) -> None:
    for name, points, metadata in (
        ("lines", b"[console_scripts]\nmine\n", None),
        ("bytes", b"\xff\xfe", None),
        ("broken", b"[harness.unlearners]\nmm = m\n", b"\xff\xfe\x00"),
    ):
        info = tmp_path / "site" / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_bytes(metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode())
        (info / "entry_points.txt").write_bytes(points)
    ended = program(command, PYTHONPATH=str(info.parent))

    said = "".join((ended.out + ended.err).split())  # tables break lines anywhere
    assert "Traceback" not in ended.err
    assert all(f"{name}-1.0.dist-info" in said for name in ("lines", "bytes", "broken"))
    assert "finetune" in said or command != "plugins"
