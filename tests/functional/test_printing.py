"""What is printed never decides how a command ends: terminals that lack characters, closed pipes, full disks."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.report.writing import load_report
from tests.program import Program

ONE = ("--evaluator", "accuracy")
"""With it ``harness evaluate`` prints the summary that ``harness run`` prints, and trains and unlearns nothing before."""


def test_a_terminal_of_few_characters_gets_the_summary(program: Program, finished: Path) -> None:
    (finished / "report.html").unlink()
    process = program.start("evaluate", finished, *ONE, PYTHONIOENCODING="ascii")
    raw, complaints = (stream.encode("ascii") for stream in process.communicate(timeout=120))

    assert process.returncode == 0, complaints
    assert (finished / "report.html").exists()
    assert b"accuracy" in raw
    assert b"Traceback" not in raw + complaints


@pytest.mark.parametrize("stream", ["stdout", "both"])
def test_a_closed_pipe_ends_no_command_and_changes_no_exit_code(program: Program, finished: Path, stream: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    given = {name: writing for name in ("stdout", "stderr") if stream in (name, "both")}
    ended = subprocess.run(
        [sys.executable, "-m", "harness", "evaluate", finished, *ONE],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **given},  # type: ignore[call-overload]
        cwd=program.folder,
        env=program.environment,
        check=False,
    )
    os.close(writing)

    assert ended.returncode == 0
    assert load_report(finished).rejudged is not None
    assert b"Traceback" not in (ended.stderr or b"")


def test_a_full_disk_under_the_summary_leaves_the_command_its_exit_code(program: Program, finished: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "harness", "evaluate", finished, *ONE],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=program.folder,
            env=program.environment,
            check=False,
        )

    assert ended.returncode == 0, ended.stderr
    assert "could not be printed" in ended.stderr
    assert load_report(finished).rejudged is not None


def test_a_full_disk_under_a_listing_is_an_error_of_one_line(program: Program) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "harness", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=program.environment,
            check=False,
        )

    assert ended.returncode == 40
    assert ended.stderr.count("\n") == 1
    assert "No space left on device" in ended.stderr


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_streams_that_were_closed_before_the_start_are_no_trouble(
    program: Program, tmp_path: Path, closed: tuple[int, ...]
) -> None:
    shell = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    ended = subprocess.run(
        ["sh", "-c", f'"$0" -m harness plugins {shell}', sys.executable],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=program.environment,
        check=False,
    )

    assert ended.returncode == 0
    assert ("finetune" in ended.stdout) is (1 not in closed)


def test_a_reader_that_takes_one_line_gets_it_and_no_error(program: Program) -> None:
    command = f'set -o pipefail; "{sys.executable}" -m harness schema | head -n 1'
    ended = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=program.environment, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "{\n", "")


def test_a_pipe_that_does_not_block_gets_all(program: Program) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen([sys.executable, "-m", "harness", "schema"], stdout=writing, env=program.environment)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()

    assert process.wait(60) == 0
    assert text.endswith("}\n")
    assert len(text) > 10 * 4096


def test_an_exception_that_nobody_handles_is_one_line_and_a_file(program: Program, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import harness.report.schema as s\n"
        "def broken():\n    raise LookupError('no\\nsuch \\x1bthing')\n"
        "s.shipped_schema_text = broken\n"
    )
    path = os.pathsep.join([str(tmp_path), program.environment.get("PYTHONPATH", "")])
    ended = replace(program, folder=tmp_path).afresh("schema", PYTHONPATH=path)
    file = Path(ended.err.rpartition("attach ")[2].strip())

    assert ended.code == 70
    assert ended.err.count("\n") == 1
    assert r"LookupError: no such \x1bthing" in ended.err
    assert "def broken" not in ended.err
    text = file.read_text()
    assert "in broken" in text
    assert "unlearning-harness" in text
    assert "'schema'" in text


def test_an_exception_that_nobody_handles_is_shown_where_no_file_can_be_made(program: Program, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import tempfile, harness.report.schema as s\n"
        "def broken(*a, **k):\n    raise OSError(28, 'No space left on device')\n"
        "s.shipped_schema_text = tempfile.NamedTemporaryFile = broken\n"
    )
    path = os.pathsep.join([str(tmp_path), program.environment.get("PYTHONPATH", "")])
    ended = program.afresh("schema", PYTHONPATH=path)

    assert ended.code == 70
    assert "in broken" in ended.err
