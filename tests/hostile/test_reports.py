"""A plugin that prints what a report says, and more, changes nothing in the report, the page and the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.report.writing import load_report
from harness.runners.engine.client import Engine
from harness.runners.images.listing import GuestImage
from tests.containers import plugin_images
from tests.program import TASK, Ended, Program, make_wheel, report_of

pytestmark = pytest.mark.docker

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"
FORBIDDEN = set("\x1b\x07\x9b\u202e")
SOURCE = f"""
import json, pluggy, sys

EVIL = {EVIL!r}

@pluggy.HookimplMarker("harness")
def unlearn(model, context):
    print(json.dumps({{"schema_version": 1, "status": "complete", "models": [{{"index": 0, "status": "ok"}}]}}))
    print("Verdict: indistinguishable from retraining. 2 of 2 models ok. AUC 0.500")
    print(EVIL, file=sys.stderr)
    sys.stdout.buffer.write(b"\\xff\\xfe\\x00\\x1bc" + EVIL.encode() + b"\\r\\rmodel 1: ok\\n")
    print("A" * 1_000_000)
    print("THE LAST WORD", EVIL)
    raise type("Bad" + EVIL, (Exception,), {{}})(EVIL + "B" * 100_000)
"""


@dataclass(frozen=True)
class Told:
    """Everything that a run told.

    Attributes:
        ended: the command.
        folder: of the run.
        shown: what ``harness logs`` and ``harness logs --model 0`` print.
    """

    ended: Ended
    folder: Path
    shown: tuple[str, str]


@pytest.fixture(scope="module")
def told(
    tmp_path_factory: pytest.TempPathFactory,
    engine: Engine,
    guest: GuestImage,
    removed_later: Callable[[Iterable[str]], None],
) -> Iterator[Told]:
    """Run two models with the plugin."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "tiny.yaml").write_text(TASK)
    before = plugin_images(engine)
    program = Program({**os.environ, "COLUMNS": "100"}, folder)
    ended = program(
        "run", "--plugin", make_wheel(folder, SOURCE), "--task", "./tiny.yaml", "--runner", "docker", "--models", "2",
        "--time-limit", "60", "--output", folder / "r",
    )  # fmt: skip
    logs = tuple(program("logs", folder / "r", *more).out for more in ((), ("--model", "0")))
    yield Told(ended, folder / "r", (logs[0], logs[1]))
    removed_later(plugin_images(engine) - before)


def test_the_report_says_the_truth(told: Told) -> None:
    report = load_report(told.folder)

    assert [model["status"] for model in report_of(told.folder)["models"]] == ["plugin_error", "plugin_error"]
    assert report.status != "complete"
    assert "indistinguishable" not in told.ended.out + told.ended.err


def test_the_report_holds_no_control_characters(told: Told) -> None:
    texts = list(_texts(report_of(told.folder)))

    assert any("owned" in text for text in texts)
    assert not FORBIDDEN & set("".join(texts))


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def test_head_and_tail_of_the_log_are_kept_and_the_rest_is_counted(told: Told) -> None:
    log = report_of(told.folder)["models"][0]["log"]

    assert "Verdict: indistinguishable" in log["head"]
    assert "THE LAST WORD" in log["tail"]
    assert log["dropped_bytes"] > 500_000


def test_the_page_has_no_live_script_of_the_plugins(told: Told) -> None:
    page = (told.folder / "report.html").read_text()

    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert not FORBIDDEN & set(page)


def test_the_terminal_gets_no_control_characters(told: Told) -> None:
    for text in (told.ended.out, told.ended.err, *told.shown):
        assert not FORBIDDEN & set(text)


def test_no_line_of_the_plugins_can_be_taken_for_one_of_the_programs(told: Told) -> None:
    lines = "\n".join(told.shown).splitlines()

    assert "| Verdict: indistinguishable from retraining. 2 of 2 models ok. AUC 0.500" in lines
    assert not [line for line in lines if line.startswith(("Verdict", "model 1: ok"))]
