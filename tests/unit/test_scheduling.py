"""A worker of pytest-xdist that dies costs the test under which it died and no other, and hangs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("xdist")

ROOT = Path(__file__).parents[2]
CONFTEST = """
import pytest

@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from tests.scheduling import Sharing

    config.option.loadscopereorder = False
    return Sharing(config, log, {})
"""
DEADLY = """
import os, signal
import pytest

@pytest.mark.parametrize("number", range(5))
def test_one(number):
    if number in DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("files", "workers"),
    [
        ({"a": "(0,)", "b": "(0,)", "c": "()"}, 2),  # the second dies before the first one's successor has collected
        ({"a": "(4,)", "b": "(4,)"}, 2),
        ({"a": "(1, 2)"}, 1),
    ],
    ids=["two at once", "the last tests", "the only worker, twice"],
)
def test_every_test_runs_but_those_under_which_a_worker_died(
    tmp_path: Path, files: dict[str, str], workers: int
) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name, deadly in files.items():
        (tmp_path / f"test_{name}.py").write_text(DEADLY.replace("DEADLY", deadly))
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "xdist",
            "-n",
            str(workers),
            "-p",
            "no:cacheprovider",
            str(tmp_path),
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    dead = sum(len(eval(deadly)) for deadly in files.values())  # noqa: S307 -- tuples of ours

    assert f"{dead} failed, {5 * len(files) - dead} passed" in ended.stdout, ended.stdout[-2000:]
    assert ended.stdout.count("FAILED") == dead
