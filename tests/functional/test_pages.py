"""Pages are carried out as their readers would, without network and without Docker, and what they show is compared.

``first-run.md``, ``bring-your-own-data.md``, ``bring-your-own-network.md``, ``from-kaggle.md``, ``define-a-task.md``,
``keep-many-runs.md``, ``run-a-stream-of-requests.md``, ``run-a-study.md``, ``score-outputs.md``, ``share-reference-models.md``
and ``write-an-evaluator.md`` are walked through: a block that begins with a comment of a path is a file, a block ``console`` is
typed. What needs a library that cannot be imported is left out, with a warning. The commands of all other pages that no test
of their own carries out are one session, on a small task. A run that names no evaluator is scored by those of the verdict and
of its table alone; ``test_running.py`` has a run with all of them.
"""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from harness.report.document import VerdictLevel
from tests.environment import Environment, make_environment
from tests.pages import FILE, LEFT_OUT, Step, blocks, missing, steps
from tests.program import TASK
from tests.shown import BLOCK, ROOT, WALKED, commands

TINY = "tiny.yaml"
SESSION = [shown for shown in commands() if shown.page not in WALKED and not shown.reason]
WITH_THE_SLOW = {
    "docs/how-to/bring-your-own-network.md": "tests/functional/test_own_packages.py",
    "docs/how-to/from-kaggle.md": "tests/functional/test_scripts.py",
    "docs/how-to/run-a-stream-of-requests.md": "tests/functional/test_streams.py",
    "docs/how-to/score-outputs.md": "tests/functional/test_outputs.py",
    "docs/how-to/share-reference-models.md": "tests/unit/supplied",
}
"""Page that only ``-m slow`` walks through, ten seconds each -> tests of the default suite of what it shows."""

HERE = [page for page, test in WALKED.items() if Path(test).name == Path(__file__).name]
ON_RUNS = ("docs/how-to/compare-methods.md", "docs/reference/report.md")
"""Pages whose Python reads what the session's commands have made."""


@dataclass
class Reader:
    """Somebody who follows a page.

    Attributes:
        environment: in which commands run.
        home: where the page begins; the small task is there.
        folder: the working directory; changed by ``cd``.
    """

    environment: Environment
    home: Path
    folder: Path

    @classmethod
    def at(cls, folder: Path, cache: Path) -> Reader:
        """Return a reader with an environment and a small task."""
        (folder / TINY).write_text(TASK)
        return cls(make_environment(folder / "venv", cache), folder, folder)

    def type(self, command: str) -> str:
        """Run a command and return its output; a run without a task of the page uses the small task."""
        small = "" if "--task" in command else f"--task {self.home / TINY} --time-limit 60 --cpus 1"
        done = command.replace("harness run ", f"harness run {small} ")
        printed = self.environment.run(done, self.folder)
        if moved := re.search(r"(?:^|&& )cd (\S+)$", command):
            self.folder /= moved[1]
        return printed.replace("tiny", "faces")


def written_or_typed(page: Path) -> Iterator[tuple[str, str] | Step]:
    """Yield a page's files (path, content) and commands in order."""
    typed = iter(steps(page))
    for language, text in BLOCK.findall(page.read_text()):
        if language == "console":
            yield from (next(typed) for _ in re.findall(r"^\$ ", text, flags=re.MULTILINE))
        elif named := FILE.match(text):
            yield named[1], text


class LeftOutWarning(UserWarning):
    """A step of a page needs what is not here; shown at the end of a test run."""


def lacking(library: str) -> str:
    """Return why a library cannot be imported; empty if it can."""
    program = f"import {library}"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else ended.stderr.strip().splitlines()[-1]


@pytest.mark.filterwarnings("default::tests.functional.test_pages.LeftOutWarning")
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow if page in WITH_THE_SLOW else ()) for page in HERE]
)
def test_a_page_that_is_followed_from_top_to_bottom_prints_what_it_shows(
    page: str, tmp_path: Path, shared_cache: Path
) -> None:
    reader = Reader.at(tmp_path, shared_cache)
    seen = 0
    for part in written_or_typed(ROOT / page):
        if isinstance(part, Step):
            if part.needs and (why := lacking(part.needs)):
                warnings.warn(f"{page}: not carried out: {part.command}: {why}", LeftOutWarning, stacklevel=1)
                continue
            printed = reader.type(part.command)
            assert missing(part, printed) is None, f"{part.command}\n{printed}"
            seen += len(part.shown)
        else:
            path = reader.folder / part[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(part[1])
    assert seen


@pytest.mark.slow
def test_commands_that_no_page_of_their_own_carries_out_work_one_after_another(
    tmp_path: Path, shared_cache: Path
) -> None:
    reader = Reader.at(tmp_path, shared_cache)
    for command in dict.fromkeys(shown.command for shown in SESSION):
        reader.type(command)

    code = "\n".join(block for page in ON_RUNS for block in blocks(ROOT / page, "python"))
    (tmp_path / "code.py").write_text(code)
    for name in set(re.findall(r"runs/([\w.-]+)", code)):
        if not (tmp_path / "runs" / name).exists():
            (tmp_path / "runs" / name).symlink_to("finetune")
    assert reader.type("python code.py").splitlines()[-1].split()[0] in get_args(VerdictLevel)


def test_what_is_left_out_of_an_answer_is_no_part_of_what_is_compared() -> None:
    step = Step("ls", "", ("a 1", "b"))

    assert missing(step, "a 27\nelse\nb") is None
    assert missing(step, "b\na 27") == "b"
    assert LEFT_OUT not in step.shown
