"""Every command on every page exists, and is carried out by the suite or stands with a reason among the exceptions."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import torch
import yaml

from harness_guest.data import Normalisation, SplitData
from tests.functional.test_pages import SESSION
from tests.pages import steps
from tests.shown import (
    BLOCK,
    NOT_CARRIED_OUT,
    ROOT,
    WALKED,
    Shown,
    all_options,
    command_of,
    commands,
    commands_of,
    invocations,
    options_of,
    pages,
    read,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COMMANDS = commands()
OF_OTHERS = {"--strict", "--deselect", "--unlearner-runner", "--write", "--write-attack-table"}
"""Options of other programs that the text names."""
PLACEHOLDER = re.compile(r"[A-Z][A-Z_]+$|\.\.\.|…")


def inline(page: Path) -> list[str]:
    """Code within the text of a page."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(code.split()) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]


def of_pages(*languages: str) -> list[tuple[str, str]]:
    """(page, block) of all blocks in some languages."""
    found = [(page, *block) for page in pages() for block in BLOCK.findall(page.read_text())]
    return [(str(page.relative_to(ROOT)), text) for page, language, text in found if language in languages]


@pytest.mark.parametrize("shown", COMMANDS, ids=lambda shown: f"{shown.page}: {shown.command}")
def test_a_command_on_a_page_is_one_that_the_program_takes(shown: Shown) -> None:
    for arguments in invocations(shown.command):
        read(arguments)


@pytest.mark.parametrize(
    "wrong", ["run --plugn x", "run", "compare a --fail-on", "image bild", "run --plugin x --models y"]
)
def test_a_command_that_the_program_does_not_take_is_told(wrong: str) -> None:
    with pytest.raises(click.UsageError):
        read(wrong.split())


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_named_in_the_text_exist(page: Path) -> None:
    known = all_options() | OF_OTHERS
    for code in inline(page):
        words = code.split()
        if words[0] == "harness" and len(words) > 1 and not PLACEHOLDER.match(words[1]):
            found, rest = command_of(words[1:])
            assert {word.split("=")[0] for word in rest if word.startswith("--")} <= options_of(found), code
        elif words[0].startswith("--"):
            assert words[0].split("=")[0] in known, code


def test_every_command_is_carried_out_or_stands_with_a_reason_among_the_exceptions() -> None:
    carried_out = {(shown.page, shown.command) for shown in SESSION}
    left = [shown for shown in COMMANDS if shown.page not in WALKED and (shown.page, shown.command) not in carried_out]

    assert [shown for shown in left if not shown.reason] == []
    assert not carried_out.intersection((shown.page, shown.command) for shown in COMMANDS if shown.reason)


def test_no_exception_outlives_the_command_that_it_is_for() -> None:
    needed = {(page, start) for page, start in NOT_CARRIED_OUT for shown in COMMANDS if shown._is(page, start)}

    assert needed == set(NOT_CARRIED_OUT)


@pytest.mark.parametrize("page", WALKED)
def test_a_page_that_is_walked_through_has_a_test_that_names_it(page: str) -> None:
    assert Path(page).name in (ROOT / WALKED[page]).read_text()
    assert list(commands_of((ROOT / page).read_text()))


def test_prompts_and_programs_both_show_a_command() -> None:
    text = "```\n$ ls  # all\nharness x\n```\n```console sandbox\n$ a \\\n b\nout\n```\n```\nA=1 pip install x\nword\n```\n"

    assert list(commands_of(text)) == ["ls", "a   b", "A=1 pip install x"]


def test_calls_of_the_program_are_found_in_a_line_of_shell() -> None:
    line = "X=1 harness a --b 'c d' || harness e; echo harness | harness f # harness g"

    assert list(invocations(line)) == [["a", "--b", "c d"], ["e"], ["f"]]


@pytest.mark.parametrize(("page", "code"), of_pages("python", "py"), ids=lambda text: text[:40])
def test_python_on_a_page_is_python(page: str, code: str) -> None:
    signature = re.match(r"\w+\(", code) and page == "docs/reference/hooks.md"
    ast.parse(f"def {code.strip()}: ..." if signature else code, filename=page)


METHODS = [(page, code) for page, code in of_pages("python") if "@hookimpl\ndef unlearn(model, retain" in code]


@pytest.mark.parametrize(("page", "code"), METHODS, ids=lambda text: text[:40])
def test_a_whole_method_on_a_page_changes_a_model(page: str, code: str) -> None:
    namespace: dict[str, Any] = {}
    exec(compile(code, page, "exec"), namespace)  # noqa: S102  (the page's own code)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    before = model[1].weight.detach().clone()
    images = torch.arange(64 * 4, dtype=torch.uint8).reshape(64, 1, 2, 2)
    split = SplitData(images, torch.arange(64) % 2, 2, Normalisation((0.5,), (0.5,)))

    given = {"model": model, "retain": split, "forget": split, "context": None}
    taken = inspect.signature(namespace["unlearn"]).parameters
    assert namespace["unlearn"](**{name: given[name] for name in taken}) is None
    assert not torch.equal(model[1].weight, before)
    assert not model.training


def test_methods_are_shown_where_a_reader_looks_for_one() -> None:
    assert {page for page, _ in METHODS} >= {"README.md", "docs/reference/unlearners.md", "docs/reference/hooks.md"}


@pytest.mark.parametrize(("page", "code"), of_pages("toml", "yaml"), ids=lambda text: text[:40])
def test_settings_on_a_page_can_be_read(page: str, code: str) -> None:
    found = tomllib.loads(code) if (page, code) in of_pages("toml") else yaml.safe_load(code)

    assert isinstance(found, dict)


def test_what_only_some_machines_have_is_marked_on_the_pages_whose_tests_can_leave_it_out() -> None:
    marked = {page.name for page in pages() if any(step.needs for step in steps(page))}

    assert marked <= {"publish-an-unlearner.md", "bring-your-own-network.md"}
