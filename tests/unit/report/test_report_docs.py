from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.outcomes import Status
from harness.report.schema import generate_schema
from harness.report.verdict import decide_verdict

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "report.md"
SCHEMA = generate_schema()
OBJECTS = {"Report": SCHEMA} | {name: one for name, one in SCHEMA["$defs"].items() if "properties" in one}


def section(name: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return text.partition(f"\n## {name}\n")[2].partition("\n## ")[0].splitlines()


@pytest.mark.parametrize("name", OBJECTS)
def test_every_field_is_documented_in_the_order_of_the_schema(name: str) -> None:
    rows = [line.split("|")[1].strip() for line in section(name) if line.startswith("| `")]

    assert rows == [f"`{field}`" for field in OBJECTS[name]["properties"]]


@pytest.mark.parametrize("name", OBJECTS)
def test_every_description_is_the_schemas(name: str) -> None:
    text = "\n".join(section(name))
    described = [field["description"] for field in OBJECTS[name]["properties"].values() if "description" in field]

    assert [sentence for sentence in described if sentence not in text] == []


def test_every_status_is_named() -> None:
    text = "\n".join(section("Status"))

    assert [status.value for status in Status if f"`{status.value}`" not in text] == []


def test_every_level_of_the_verdict_is_explained() -> None:
    levels = OBJECTS["VerdictRecord"]["properties"]["level"]["enum"]
    text = "\n".join(section("The verdict"))

    assert decide_verdict((), ()).level in levels
    assert [level for level in levels if f"`{level}`" not in text] == []
