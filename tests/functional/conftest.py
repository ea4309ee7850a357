"""Fixtures of the functional tests: a program without Docker, a cache that all tests here share."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.program import NO_DOCKER, TASK, Program, make_wheel


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("functional-cache")


@pytest.fixture
def program(tmp_path: Path, shared_cache: Path) -> Program:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {
        **os.environ,
        "HARNESS_CACHE_DIR": str(shared_cache),
        "DOCKER_HOST": NO_DOCKER,
        "TMPDIR": str(scratch),
    }
    return Program({**environment, "COLUMNS": "100"}, tmp_path)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TASK)
    return path


@pytest.fixture
def wheel(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a wheel with one unlearner, ``stranger``, of the given source."""
    return partial(make_wheel, tmp_path)
