"""The page on publishing is walked through as its reader would, in an environment of its own and without network."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.environment import Environment, make_environment
from tests.pages import Step, blocks, missing, steps
from tests.program import TASK

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "publish-an-unlearner.md"
STEPS = [step for step in steps(PAGE) if not step.needs]
TINY = "tiny.yaml"
OFFLINE = {"python -m build": "python -m build --no-isolation"}
QUICK = {"harness run": "harness run --task ../tiny.yaml --time-limit 60 --models 2"}
LONG = "harness run --plugin . --runner process --output runs/mymethod"


@dataclass
class Walk:
    """A reader at work.

    Attributes:
        environment: in which commands run.
        folder: the working directory; changed by ``cd``.
        printed: command -> what it printed.
    """

    environment: Environment
    folder: Path
    printed: dict[str, str] = field(default_factory=dict)

    def take(self, step: Step, instead: Mapping[str, str]) -> None:
        """Carry a step out, with other commands instead of some."""
        command = step.command
        for said, done in instead.items():
            command = command.replace(said, done)
        self.printed[step.command] = self.environment.run(command, self.folder)
        if command.startswith("cd "):
            self.folder /= command.removeprefix("cd ")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Walk:
    """Execute the whole page on a small task."""
    folder = tmp_path_factory.mktemp("walk")
    (folder / TINY).write_text(TASK)
    walk = Walk(make_environment(folder / "venv", shared_cache), folder)
    for step in STEPS:
        walk.take(step, {**OFFLINE, **QUICK})
    return walk


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.command)
def test_a_command_of_the_page_prints_what_is_shown(walk: Walk, step: Step) -> None:
    printed = walk.printed[step.command].replace("tiny", "faces")

    assert missing(step, printed) is None, printed


def test_only_uploading_is_left_out_and_the_page_says_so() -> None:
    uploads = [step.command for step in steps(PAGE) if step.needs == "upload"]

    assert uploads == ["twine check --strict dist/*", "twine upload dist/*"]
    assert {step.needs for step in steps(PAGE)} == {"", "sandbox", "upload"}
    assert "are the only ones on this page that the project's tests do not run" in PAGE.read_text().replace("\n", " ")


def test_code_that_the_page_shows_is_in_the_package(walk: Walk) -> None:
    shown = {
        "src/mymethod/__init__.py": blocks(PAGE, "python"),
        "pyproject.toml": blocks(PAGE, "toml"),
    }

    assert [len(parts) for parts in shown.values()] == [1, 1]
    assert [name for name, (part,) in shown.items() if part not in (walk.folder / name).read_text()] == []


@pytest.mark.skipif(importlib.util.find_spec("twine") is None, reason="twine is not installed")
def test_an_index_would_take_what_was_built(walk: Walk) -> None:
    printed = walk.environment.run(f"{sys.executable} -m twine check --strict dist/*", walk.folder)

    assert printed.count("PASSED") == 2


@pytest.mark.skipif(shutil.which("ruff", path=str(Path(sys.executable).parent)) is None, reason="ruff is not installed")
def test_the_package_is_in_good_style(walk: Walk) -> None:
    walk.environment.run("ruff check . && ruff format --check .", walk.folder)


@pytest.mark.slow
def test_the_run_on_the_page_prints_what_is_shown(tmp_path: Path, shared_cache: Path) -> None:
    walk = Walk(make_environment(tmp_path / "venv", shared_cache), tmp_path)
    for step in STEPS:
        if step.command.startswith(("harness new", "cd ", LONG)):
            walk.take(step, {})
            assert missing(step, walk.printed[step.command]) is None, walk.printed[step.command]
    assert LONG in walk.printed
