"""What the page on publishing does in the sandbox, with the wheel that its reader has built."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from harness.runners.engine.client import Engine
from harness.runners.images.listing import GuestImage, list_images
from tests.environment import Environment, make_environment
from tests.pages import Step, missing, steps
from tests.program import TASK

pytestmark = pytest.mark.docker

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "publish-an-unlearner.md"
STEPS = [step for step in steps(PAGE) if step.needs == "sandbox"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return the reader's environment, with the machine's Docker engine."""
    folder = tmp_path_factory.mktemp("environment")
    return make_environment(folder / "venv", Path(os.environ["HARNESS_CACHE_DIR"]), docker=None)


@pytest.fixture(scope="module")
def package(
    environment: Environment,
    engine: Engine,
    removed_later: Callable[[Iterable[str]], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """Yield the reader's folder, with the wheel in it."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "tiny.yaml").write_text(TASK)
    environment.run("harness new mymethod && python -m build --wheel --no-isolation mymethod", folder)
    yield folder / "mymethod"
    removed_later(image.tag for image in list_images(engine) if image.content.startswith("mymethod "))


def _case(step: Step) -> ParameterSet:
    """Return a step as a parameter; mark checks in the sandbox as slow."""
    slow = step.command.startswith("harness check")
    return pytest.param(step, id=step.command, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("step", [_case(step) for step in STEPS])
def test_a_command_of_the_page_prints_what_is_shown(
    environment: Environment, guest: GuestImage, package: Path, step: Step
) -> None:
    command = step.command.replace("harness run", "harness run --task ../tiny.yaml --time-limit 60 --models 1")
    # The wheel's own folder stands in for the index to which it would have been uploaded.
    printed = environment.run(command, package, PIP_FIND_LINKS=str(package / "dist"))

    assert missing(step, printed.replace("tiny", "faces")) is None, printed
