"""Studies: what the command makes, and that one which is killed ends as if undisturbed."""

from __future__ import annotations

import csv
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.program import POLL_S, TASK, Program, report_of

RUN = "run: {runner: process, cpus: 1, time_limit_s: 60, evaluators: [lira, accuracy]}\n"
SMALL = f"schema: 1\nname: small\nmethods: [noop]\ntasks: [tiny.yaml]\nseeds: 2\n{RUN}"
THREE = f"""\
schema: 1
name: three
methods: [noop, finetune, {{plugin: noise, options: {{}}}}]
tasks: [tiny.yaml, other.yaml]
seeds: 3
{RUN}"""
MEASURED = ("seconds", "run_id")
"""Columns that differ between two undisturbed runs, too."""


def _table(folder: Path) -> list[dict[str, str]]:
    with (folder / "study.csv").open() as file:
        return list(csv.DictReader(file))


def _told(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if name not in MEASURED} for row in rows]


def test_a_study_goes_on_where_it_stopped(program: Program, task: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    folder = tmp_path / "s"
    first = program("study", "small.yaml", "--output", folder, "--cell", "2")
    assert first.code == 0, first.err
    assert "1 of 2 runs have not ended" in first.out
    assert [row["status"] for row in _table(folder)] == ["not ended", "complete"]
    kept = folder / "cells" / "0002-noop-tiny-1" / "report.json"
    before = kept.read_bytes()

    ended = program("resume", folder)
    assert ended.code == 0, ended.err
    assert kept.read_bytes() == before
    assert [row["status"] for row in _table(folder)] == ["complete", "complete"]
    assert report_of(folder / "cells" / "0001-noop-tiny-0")["settings_tried"] == 1
    assert "Study small" in (folder / "study.html").read_text()


def test_a_study_that_cannot_be_is_refused_before_anything_is_made(
    program: Program, task: Path, tmp_path: Path
) -> None:
    for method, code in (("nonesuch", 10), ("{plugin: finetune, options: {lr: [0.1, -1]}}", 2)):
        (tmp_path / "bad.yaml").write_text(SMALL.replace("[noop]", f"[{method}]"))
        ended = program("study", "bad.yaml", "--output", tmp_path / "s", "--dry-run")
        assert ended.code == code, ended.err
        assert not (tmp_path / "s").exists()


@pytest.mark.slow
def test_three_methods_on_two_tasks_with_three_seeds_killed_twice_end_as_if_undisturbed(
    program: Program, task: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.yaml").write_text(TASK.replace("name: tiny", "name: other").replace("epochs: 4", "epochs: 3"))
    (tmp_path / "three.yaml").write_text(THREE)
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    ended = program("study", "three.yaml", "--output", undisturbed)
    assert ended.code == 0, ended.err

    kept: dict[Path, bytes] = {}
    for number in (4, 11):
        process = program.start("study", "three.yaml", "--output", killed)
        while len(reports := list(killed.glob("cells/*/report.json"))) < number:
            assert process.poll() is None
            time.sleep(POLL_S)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert all(path.read_bytes() == content for path, content in kept.items())
        kept = {path: path.read_bytes() for path in reports if path.stat().st_size}
    ended = program("study", "three.yaml", "--output", killed)
    assert ended.code == 0, ended.err

    assert all(path.read_bytes() == content for path, content in kept.items())
    assert len(_table(killed)) == 18
    assert _told(_table(killed)) == _told(_table(undisturbed))
    assert not list(killed.rglob("*.tmp"))
