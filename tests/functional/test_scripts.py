"""A single file runs as a plugin does, on the process runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import PluginLoadError, PluginNotFoundError, PluginPackagingError, UsageError
from tests.program import Program, numbers_of, report_of
from tests.wheels import write_wheel

RUN = ("run", "--runner", "process", "--cpus", "1", "--time-limit", "60", "--evaluator", "accuracy")
KIT = """
import torch


def unlearning(net, retain, forget, validation, lr=0.02):
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    net.train()
    for inputs, targets in retain:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(inputs), targets).backward()
        optimizer.step()
    net.eval()
    return net
"""
FIRST_MODEL = (
    "unlearn(model=model, retain=retain, forget=forget, validation=validation, context=context); print('called')"
)


def test_a_kit_function_runs_unchanged_and_the_report_says_how(program: Program, task: Path, tmp_path: Path) -> None:
    (tmp_path / "method.py").write_text(KIT)
    given = ("--plugin", "method.py:unlearning", "--task", task, "--set", "lr=0.05", "--models", "2")
    ended = program(*RUN, *given, "--output", "r")
    again = program("resume", "r")

    assert (ended.code, again.code) == (0, 0), ended.err + again.err
    report = report_of(tmp_path / "r")
    assert (report["status"], report["plugin"]["origin"]) == ("complete", "script")
    assert report["plugin"]["location"] == f"{tmp_path}/method.py:unlearning"
    assert any("called by the adapter kit" in text for text in report["warnings"])
    assert numbers_of(tmp_path / "r")


def test_a_neighbouring_file_is_not_taken_and_the_message_says_what_to_do(
    program: Program, task: Path, tmp_path: Path
) -> None:
    (tmp_path / "helpers.py").write_text("")
    (tmp_path / "method.py").write_text(f"import helpers\n{KIT}")
    ended = program(*RUN, "--plugin", "method.py", "--task", task)

    assert ended.code == PluginLoadError.exit_code
    told = " ".join(ended.err.split())
    assert "No module named 'helpers'" in told
    assert "harness new --from method.py" in told


def test_a_neighbour_that_is_imported_later_fails_with_the_same_advice(program: Program, tmp_path: Path) -> None:
    (tmp_path / "method.py").write_text("def unlearn(model):\n    import helpers\n")
    ended = program("check", "method.py", "--runner", "process")

    assert ended.code == 4, ended.err
    assert "harness new --from method.py" in " ".join(ended.out.split())


def test_shell_and_check_take_a_file(program: Program, task: Path, tmp_path: Path) -> None:
    (tmp_path / "method.py").write_text(KIT)
    entered = program("shell", "method.py", "--runner", "process", "--task", task, "--untrained", "-c", FIRST_MODEL)
    checked = program("check", "method.py", "--runner", "process")

    assert "called" in entered.out, entered.err
    assert checked.code == 0, checked.out + checked.err


def test_a_package_made_of_a_file_passes_the_same_checks(program: Program, tmp_path: Path) -> None:
    (tmp_path / "method.py").write_text(KIT)
    made = program("new", "my-method", "--from", "method.py")
    checked = program("check", "./my-method", "--runner", "process", "--set", "lr=0.01")

    assert (made.code, checked.code) == (0, 0), made.err + checked.out + checked.err


NEEDS = """
import pluggy
from wanted import WANTED


@pluggy.HookimplMarker("harness")
def unlearn(model, context):
    assert WANTED == context.options["expected"]
"""


@pytest.mark.parametrize("how", ["file of requirements", "block in the file"])
def test_what_a_single_file_needs_is_added_to_its_sandbox(
    program: Program, task: Path, tmp_path: Path, how: str
) -> None:
    (tmp_path / "links").mkdir()
    write_wheel(tmp_path / "links", "wanted", {"wanted": "WANTED = 7\n"}, {})
    (tmp_path / "needs.txt").write_text("# for this method\nwanted ~= 1.0  # any\n\n")
    block = "# /// script\n# dependencies = [\n#   'wanted>=0.1',\n# ]\n# ///\n"
    (tmp_path / "method.py").write_text(NEEDS if how == "file of requirements" else block + NEEDS)
    more = ("--require", "needs.txt") if how == "file of requirements" else ()
    given = ("--plugin", "method.py", "--task", task, "--set", "expected=7", "--models", "1", "--output", "r")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "links")}
    ended = program(*RUN, *given, *more, **offline)

    assert ended.code == 0, ended.err + ended.out
    report = report_of(tmp_path / "r")
    assert report["plugin"]["dependencies"] == {"wanted": "1.0"}
    assert report["status"] == "complete"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("wanted >> 1", "needs.txt, line 2: 'wanted >> 1' is not a requirement"),
        ("-r other.txt", "needs.txt, line 2: '-r other.txt' is not a requirement: pip's options are not supported"),
        (None, "--require needs.txt cannot be read"),
    ],
)
def test_a_bad_file_of_requirements_ends_before_anything_is_prepared(
    program: Program, tmp_path: Path, content: str | None, told: str
) -> None:
    if content is not None:
        (tmp_path / "needs.txt").write_text(f"# first\n{content}\n")
    ended = program(*RUN, "--plugin", "finetune", "--require", "needs.txt", "--output", "r")

    assert ended.code == UsageError.exit_code
    assert told in " ".join(ended.err.split())
    assert not (tmp_path / "r").exists()


def test_a_file_without_one_function_ends_before_anything_is_prepared(program: Program, tmp_path: Path) -> None:
    (tmp_path / "method.py").write_text("def a(net, retain): ...\ndef b(net, retain): ...\n")
    several = program(*RUN, "--plugin", "method.py")
    wrong = program(*RUN, "--plugin", "method.py:c")

    assert (several.code, wrong.code) == (PluginPackagingError.exit_code, PluginNotFoundError.exit_code)
    assert "a(net, retain) in line 1, b(net, retain) in line 2" in " ".join(several.err.split())
