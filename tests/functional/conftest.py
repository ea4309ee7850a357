"""Fixtures of the functional tests: a program without Docker, a cache that all tests here share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.functional.ground import Ground
from tests.functional.killing import STEADY
from tests.program import NO_DOCKER, TASK, Program, make_wheel
from tests.sharing import made_once


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that all workers share, so that reference models are trained once."""
    return made_once(tmp_path_factory, "functional-cache", lambda _: None)


def _program(folder: Path, cache: Path) -> Program:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "HARNESS_CACHE_DIR": str(cache),
        "DOCKER_HOST": NO_DOCKER,
        "TMPDIR": str(scratch),
    }
    return Program({**environment, "COLUMNS": "100"}, folder)


@pytest.fixture
def program(tmp_path: Path, shared_cache: Path) -> Program:
    return _program(tmp_path, shared_cache)


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Ground:
    """Run a task and a plugin undisturbed, with the shared cache."""
    folder = tmp_path_factory.mktemp("ground")
    return Ground(folder, _program(folder, shared_cache), TASK, STEADY)


@pytest.fixture(scope="session")
def _noop_run(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    """Run noop with all evaluators, once."""

    def make(folder: Path) -> None:
        (folder / "tiny.yaml").write_text(TASK)
        given = ("--runner", "process", "--cpus", "1", "--time-limit", "60", "--task", "tiny.yaml", "--output", "r")
        ended = _program(folder, shared_cache)("run", "--plugin", "noop", *given)
        assert ended.code == 0, ended.err

    return made_once(tmp_path_factory, "finished", make) / "r"


@pytest.fixture
def finished(_noop_run: Path, tmp_path: Path) -> Path:
    """Copy that run; its task stays in the original folder."""
    return shutil.copytree(_noop_run, tmp_path / "kept" / "r")


@pytest.fixture
def new_ground(tmp_path: Path) -> Callable[..., Ground]:
    """``new_ground(task, plugin)``: a task and a plugin that have run undisturbed, with a cache of their own."""

    def make(task: str, plugin: str = STEADY) -> Ground:
        (tmp_path / "ground").mkdir()
        return Ground(tmp_path / "ground", _program(tmp_path / "ground", tmp_path / "ground" / "warm"), task, plugin)

    return make


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TASK)
    return path


@pytest.fixture
def wheel(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that makes a wheel with an unlearner ``stranger`` from its source."""
    return partial(make_wheel, tmp_path)
