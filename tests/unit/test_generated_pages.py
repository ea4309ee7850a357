"""The generators of reference pages take in what is new in the code."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

import harness

GENERATE = Path(__file__).parents[2] / "docs" / "generate"
SPECIFICATIONS = '''
from __future__ import annotations
from typing import TYPE_CHECKING
from pluggy import HookspecMarker
if TYPE_CHECKING:
    from harness_guest.context import Context

@HookspecMarker("harness")
def toy_hook(context: Context, share: float = 0.5) -> str | None:
    """Do a thing; group ``toys``.

    As in::

        def toy_hook(share):
            return share

    Args:
        context: what is known | told.
        share: of the whole,
            between 0 and 1.

    Returns:
        A word of :class:`toys.Word`.

    An exception is told.
    """

def no_hook() -> None:
    """Helps."""
'''


@pytest.fixture
def hook_reference(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(GENERATE))
    return importlib.import_module("hook_reference")


@pytest.fixture
def cli_reference(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(GENERATE))
    return importlib.import_module("cli_reference")


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "toy_specifications.py").write_text(SPECIFICATIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "toy_specifications", raising=False)
    return importlib.import_module("toy_specifications")


@pytest.fixture
def page(hook_reference: Any, toys: ModuleType, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(hook_reference, "MODULES", {toys.__name__: "in a box"})
    return str(hook_reference.page())


def test_every_specification_of_a_module_has_a_section_and_nothing_else(page: str) -> None:
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## toy_hook",
        "## What hooks take and give",
    ]


def test_signature_and_place_are_told(page: str) -> None:
    assert "toy_hook(context: Context, share: float = 0.5) -> str | None" in page
    assert "Called in a box; the results of all plugins count." in page


def test_sections_of_a_docstring_become_tables_code_and_prose(page: str) -> None:
    assert "| `context` | what is known \\| told. |\n| `share` | of the whole, between 0 and 1. |" in page
    assert "As in:\n\n```python\ndef toy_hook(share):\n    return share\n```" in page
    assert "Returns: A word of `Word`.\n\nAn exception is told." in page


def test_a_class_that_a_hook_takes_is_described_with_its_properties(page: str) -> None:
    assert "### Context" in page
    assert "| `remaining_s` | Return the rest" in page
    assert "#### Context.new_model" in page


def test_commands_options_and_arguments_are_told(cli_reference: Any) -> None:
    @click.group()
    def toys() -> None:
        """Toys."""

    @toys.command("open")
    @click.argument("boxes", nargs=-1)
    @click.option("--size", default=3, show_default=True, help="Small | large.")
    @click.option("--loud/--no-loud", help="With noise.")
    def open_boxes(boxes: tuple[str, ...], size: int, loud: bool) -> None:
        """Open BOXES.

        \b
        One by one.
        """

    page = cli_reference.page(click.Group("all", {"toys": toys}))

    assert page.endswith(
        "## harness toys\n\nToys.\n\n### harness toys open\n\nOpen BOXES.\n\n```text\nOne by one.\n```\n\n"
        "| option | meaning |\n| --- | --- |\n| `BOXES...` | (argument) |\n| `--size` | Small \\| large. [default: 3] |\n"
        "| `--loud` / `--no-loud` | With noise. |\n"
    )


def test_the_python_reference_has_every_function_with_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(GENERATE))
    text = importlib.import_module("python_reference").page()

    for name in harness.__all__:
        thing = getattr(harness, name)
        if inspect.isfunction(thing):
            section = text.split(f"### harness.{name}\n")[1].split("\n### ")[0]
            assert all(parameter in section for parameter in inspect.signature(thing).parameters), name
    assert "#### RunReport.models_to_pandas" in text
    assert "**`RunReport.folder`** (property)" in text
    assert "model_post_init" not in text
