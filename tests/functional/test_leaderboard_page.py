"""The how-to page on leaderboards: its commands, as they stand there, do what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from harness.leaderboards import building, json_file
from harness.leaderboards.rows import VARYING
from tests.program import Program
from tests.unit.comparing.samples import metric, records
from tests.unit.leaderboard.ground import saved, site_of
from tests.unit.report.examples import evaluator

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "how-to" / "publish-a-leaderboard.md"
REFERENCE = DOCS / "reference" / "leaderboard.md"


def _commands(language: str, start: str) -> list[str]:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line.removeprefix("- run: ") for line in lines if line.startswith(start)]


@pytest.fixture
def reports(program: Program) -> Path:
    """Write the reports that the page's commands would make."""
    ks = evaluator("ks", metric(0.5, name="mean_d", headline=False))
    retain = evaluator("accuracy", metric(0.9, name="retain"), metric(0.8, name="test"))
    for name in ("finetune", "scrub"):
        for folder in ("runs", "reports"):
            saved(program.folder / folder, name, evaluators=(records(0.7)[0], ks, retain))
    return program.folder


@pytest.mark.parametrize("command", [*_commands("", "harness leaderboard"), *_commands("yaml", "- run: harness")])
def test_a_command_runs_as_it_stands(program: Program, reports: Path, command: str) -> None:
    ended = program(*shlex.split(command)[1:])

    assert ended.code == 0, ended.err
    assert ended.out == "site/index.html: 2 runs of 2 methods on 1 task\n"


@pytest.mark.slow
def test_the_runs_of_the_page_can_be_made_and_ranked(program: Program, task: Path) -> None:
    commands = [line.split() for line in _commands("", "harness run")]
    assert len(commands) == 2
    quick = ("--runner", "process", "--cpus", "1", "--time-limit", "60", "--task", task)
    for command in commands:
        ended = program(*command[1:], *quick)
        assert ended.code == 0, ended.err

    ended = program("leaderboard", "runs", "-o", "site")
    assert (ended.code, ended.out) == (0, "site/index.html: 2 runs of 2 methods on 1 task\n")
    assert "not isolated (process)" in (program.folder / "site" / "index.html").read_text()


def test_every_key_of_an_address_that_the_page_names_is_known_and_no_other(reports: Path) -> None:
    site_of(reports / "runs", reports / "site")
    index = (reports / "site" / "index.html").read_text()
    named = {
        key for row in re.findall(r"^\| (`.*`) \| as|^\| (`q`)", PAGE.read_text(), re.MULTILINE) for key in row if key
    }
    (sorts,) = re.findall(r"^\| `sort` \| (.*) \|$", PAGE.read_text(), flags=re.MULTILINE)

    assert set(re.findall(r'name="(\w+)"', index)) - {"viewport", "referrer"} == set(
        re.findall(r"\w+", " ".join(named))
    )
    heads = {key for key in re.findall(r'data-key="([^"]+)"', index) if "." not in key}
    assert heads | {key for key, *_ in VARYING} == set(re.findall(r"`([a-z]+)`", sorts))


def test_the_reference_names_every_key_of_the_json_and_the_limits(reports: Path) -> None:
    page = REFERENCE.read_text()
    site_of(reports / "runs", reports / "site")
    document = json.loads((reports / "site" / "leaderboard.json").read_text())
    board = document["boards"][0]
    keys = {*document, *board, *board["metrics"][0], *board["rows"][0], *board["rows"][0]["rank"]}

    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []
    assert f"`leaderboard_version` is {json_file.VERSION}" in page
    assert f"at most {building.MAX_DRAWN} runs" in page
