"""``docs/reference/tasks.md`` names every key with its default, and its examples work."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from harness.tasks import schema
from harness.tasks.loading import BUNDLED, task_from_text
from harness.tasks.yaml.explaining import allowed_keys, tags

PAGE = (Path(__file__).parents[3] / "docs/reference/tasks.md").read_text(encoding="utf-8")
SECTIONS = ["splits", "normalization", "architecture", "recipe", "journal", "sisa", "budget", "never_trained"]


def part(heading: str) -> str:
    """Return the text below a heading, up to the next of its level or above."""
    level = heading.split(" ")[0]
    text = PAGE.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"\n#{{1,{len(level)}}} ", text, maxsplit=1)[0]


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `([a-z_]+)` \|", text, flags=re.MULTILINE)


def test_top_level_keys_are_those_of_the_schema() -> None:
    assert first_cells(part("## Top level")) == allowed_keys((), {})


@pytest.mark.parametrize("kind", tags("dataset"))
def test_keys_of_each_dataset_are_those_of_the_schema(kind: str) -> None:
    documented = first_cells(part(f"### `kind: {kind}`"))

    columns = ["file", "label", "subject", "split"] if kind == "image-folder" else []
    assert documented == columns + allowed_keys(("dataset",), {"dataset": {"kind": kind}})


@pytest.mark.parametrize("section", SECTIONS)
def test_keys_of_each_section_are_those_of_the_schema(section: str) -> None:
    keys = part(f"## `{section}`").split("\n| network |")[0]
    assert first_cells(keys) == allowed_keys((section,), {})


@pytest.mark.parametrize("rule", tags("forget"))
def test_each_way_to_forget_is_documented_with_its_keys(rule: str) -> None:
    row = next(line for line in part("## `forget`").splitlines() if line.startswith(f"| `{rule}` |"))

    keys = set(allowed_keys(("forget",), {"forget": {"by": rule}})) - {"by"}
    assert keys <= set(re.findall(r"`([a-z_]+)`", row))


@pytest.mark.parametrize("how", tags("corrupt"))
def test_each_way_to_corrupt_is_documented_with_its_keys(how: str) -> None:
    row = next(line for line in part("## `corrupt`").splitlines() if line.startswith(f"| `{how}` |"))

    keys = set(allowed_keys(("corrupt",), {"corrupt": {"how": how}})) - {"how"}
    assert keys == set(re.findall(r"`([a-z_]+)`", row)) - {how}


@pytest.mark.parametrize("field", dataclasses.fields(schema.Recipe), ids=lambda field: field.name)
def test_the_recipes_defaults_are_documented(field: dataclasses.Field[object]) -> None:
    row = next(line for line in part("## `recipe`").splitlines() if line.startswith(f"| `{field.name}` |"))
    told = row.split("|")[2].strip().strip("`")

    if field.default == ():
        assert told == "none"
    elif isinstance(field.default, bool):
        assert told == str(field.default).lower()
    elif isinstance(field.default, str):
        assert told == field.default
    else:
        assert float(told) == field.default


def test_bundled_tasks_are_listed() -> None:
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", part("## Bundled tasks"), flags=re.MULTILINE) == list(BUNDLED)


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL))
def test_the_pages_examples_are_valid_tasks(example: str) -> None:
    task = task_from_text(example, "the page", Path())

    assert task.name in (
        "my-faces",
        "fewer-labels-wrong",
        "my-task",
        "shirts-and-coats",
        "faces-journal-all",
        "two-requests",
        "faces-altered",
    )
