"""The reference pages say what the code has."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.core.outcomes import Status
from harness_guest.context import Context
from harness_guest.data import SplitData
from harness_guest.hookspecs import unlearn

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]


def links(page: Path) -> list[tuple[str, str]]:
    """(label in its brackets, target) of all links and pictures of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"(!?\[[^\]]*\])\(([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    plain = [re.sub(r"[^\w\s-]", "", title).strip().lower() for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {re.sub(r"\s", "-", title) for title in plain} | {re.sub(r"[\s-]+", "-", title) for title in plain}


def _rows(page: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", (REFERENCE / page).read_text(), flags=re.MULTILINE))


def test_every_status_is_documented_and_no_other() -> None:
    assert _rows("statuses.md") == {status.value for status in Status}


def test_every_argument_of_the_hook_is_documented() -> None:
    assert set(inspect.signature(unlearn).parameters) <= _rows("unlearners.md")


def test_every_public_attribute_of_the_context_is_documented() -> None:
    attributes = {one.name for one in dataclasses.fields(Context)}
    attributes |= {name for name, value in vars(Context).items() if isinstance(value, property)}

    assert {name for name in attributes if not name.startswith("_")} <= _rows("unlearners.md")


def test_the_documented_loader_has_the_loaders_signature() -> None:
    page = (REFERENCE / "unlearners.md").read_text()
    documented = re.search(r"`split\.loader\(([^`]*)\)`", page)
    assert documented is not None
    names = [part.split("=")[0].strip() for part in re.sub(r"\(\)", "", documented[1]).split(",")]

    assert names == [name for name in inspect.signature(SplitData.loader).parameters if name != "self"]


def test_the_generated_pages_are_what_the_code_says() -> None:
    command = [sys.executable, "docs/generate", "--check"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = [target for _, target in links(page) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target.partition("#")[0]).exists()]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_into_pages_find_their_heading(page: Path) -> None:
    found = [target.partition("#") for _, target in links(page) if "#" in target and "://" not in target]
    pages = {name: page.parent / name if name else page for name, _, _ in found}

    assert [f"{name}#{anchor}" for name, _, anchor in found if anchor not in anchors(pages[name])] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_picture_says_in_words_what_it_shows(page: Path) -> None:
    pictures = [(label, target) for label, target in links(page) if label.startswith("!")]

    assert [target for label, target in pictures if len(label) < len("![a few words")] == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_of_the_site_link_to_nothing_outside_it(page: Path) -> None:
    targets = [(page.parent / target.partition("#")[0]).resolve() for _, target in links(page) if "://" not in target]

    assert [target for target in targets if not target.is_relative_to(ROOT / "docs")] == []


def test_the_site_has_every_page_in_its_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    named = re.findall(r"^ +- (?:.*: )?([\w/-]+\.md)$", text, flags=re.MULTILINE)

    assert sorted(named) == sorted(str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md"))


def test_the_site_is_built_without_a_warning_and_asks_no_other_server_for_anything(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    fetched = re.compile(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=[\"']?(https?:)?//[^>]+>")
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > len(PAGES) - 3
    assert [match[0] for page in pages for match in fetched.finditer(page.read_text())] == []


SCHEMA = {
    "properties": {"name": {"type": "string", "description": "A | b."}, "part": {"$ref": "#/$defs/Part"}},
    "$defs": {
        "Other": {"description": "Is :class:`x.Other`.", "properties": {"n": {"type": "integer", "description": "N."}}},
        "Part": {"description": "A part.", "properties": {"any": {"anyOf": [{"type": "number"}, {"type": "null"}]}}},
        "Word": {"enum": ["a"]},
    },
}
WRITTEN = """\
# The page

## Report

By hand.

| field | type | meaning |
|---|---|---|
| `old` | string | Gone. |

More by hand.

## Part

Of the whole.
"""


def test_tables_of_the_reports_page_follow_the_schema_and_its_prose_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "generate"))
    made = importlib.import_module("report_reference").page(WRITTEN, SCHEMA)

    head = "| field | type | meaning |\n|---|---|---|\n"
    assert made == (
        f"# The page\n\n## Report\n\nBy hand.\n\n{head}| `name` | string | A \\| b. |\n| `part` | `Part` | A part. |\n"
        f"\nMore by hand.\n\n## Other\n\nIs `x.Other`.\n\n{head}| `n` | integer | N. |\n"
        f"\n## Part\n\nOf the whole.\n\n{head}| `any` | number or null |  |\n"
    )
    without_other = made.replace(made[made.index("## Other") : made.index("## Part")], "")
    assert importlib.import_module("report_reference").page(without_other, SCHEMA) == made


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"const": "1"}, '`"1"`'),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}, "list of list of number"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "object of string"),
        ({"type": "object", "additionalProperties": {"$ref": "#/$defs/JsonValue"}}, "object"),
        ({"$ref": "#/$defs/JsonValue"}, "any JSON value"),
    ],
    ids=str,
)
def test_types_of_the_schema_are_put_into_words(
    about: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "generate"))

    assert importlib.import_module("report_reference").type_of(about) == words


def test_a_notebook_becomes_a_page_with_its_text_and_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "generate"))
    cells = [("markdown", ["# Title\n", "\n", "First."]), ("code", ["x = 1\n", "x"]), ("markdown", ["Last."])]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": [{"cell_type": k, "source": s} for k, s in cells]}))
    made = importlib.import_module("notebook_page").page(tmp_path / "a.ipynb")

    title, note, rest = made.split("\n\n", 2)
    assert (title, "[a.ipynb](a.ipynb)" in note) == ("# Title", True)
    assert rest == "First.\n\n```python\nx = 1\nx\n```\n\nLast.\n"


def test_words_that_say_what_a_block_needs_are_not_for_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "generate"))
    site = importlib.import_module("site_pages")

    assert site.on_page_markdown("```console sandbox\n$ a\n```\n```yaml\n", page=None) == (
        "```console\n$ a\n```\n```yaml\n"
    )
