"""The tables of fields on the report's page, from the report's JSON Schema; the prose around them is written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "reference" / "report.md"
HEAD = "| field | type | meaning |\n|---|---|---|\n"
TABLE = re.compile(r"^\| field \| type \| meaning \|\n(?:\|.*\n)+", re.MULTILINE)
Schema = Mapping[str, Any]


def page(text: str | None = None, schema: Schema | None = None) -> str:
    """Return the current page (or ``text``) with tables generated from the schema.

    A record of the schema that has no section yet gets one, in the order of the alphabet.
    """
    from harness.report.schema import generate_schema

    text = PAGE.read_text(encoding="utf-8") if text is None else text
    schema = generate_schema() if schema is None else schema
    previous = ""
    for name, record in objects(schema).items():
        if f"\n## {name}\n" not in text:
            text = _with_section(text, previous, name, record)
        text = _with_table(text, name, _table(record, schema))
        previous = name
    return text.rstrip() + "\n"


def objects(schema: Schema) -> dict[str, Schema]:
    """Name -> every object of a schema that has fields, the whole document first."""
    inner = {name: one for name, one in sorted(schema["$defs"].items()) if "properties" in one}
    return {"Report": schema} | inner


def _with_section(text: str, previous: str, name: str, record: Schema) -> str:
    """Return the page with a new section after ``previous``, or at its end."""
    before, heading, after = f"{text.rstrip()}\n".partition(f"\n## {previous}\n")
    section, following, rest = after.partition("\n## ")
    about = re.sub(r":\w+:`~?([\w.]+)`", r"`\1`", " ".join(record.get("description", "").split()))
    made = f"\n\n## {name}\n\n{about}\n"
    return before + heading + section.rstrip() + made + following + rest


def _with_table(text: str, name: str, table: str) -> str:
    """Return the page with the table of a record's section replaced."""
    before, heading, after = text.partition(f"\n## {name}\n")
    section, following, rest = after.partition("\n## ")
    replaced, found = TABLE.subn(lambda _: table, section, count=1)
    if not found:
        replaced = f"{section.rstrip()}\n\n{table}"
    return before + heading + replaced + following + rest


def _table(record: Schema, schema: Schema) -> str:
    """Return the table of a record's fields; the fallback for a description is that of the record it refers to."""
    lines = [HEAD]
    for name, about in record["properties"].items():
        referred = schema["$defs"].get(about.get("$ref", "").rpartition("/")[2], {})
        meaning = " ".join((about.get("description") or referred.get("description", "")).split())
        lines.append(f"| `{name}` | {type_of(about)} | {meaning.replace('|', chr(92) + '|')} |\n")
    return "".join(lines)


def type_of(about: Schema) -> str:
    """Return a field's type in words."""
    if "anyOf" in about:
        return " or ".join(type_of(one) for one in about["anyOf"])
    if "$ref" in about:
        name = about["$ref"].rpartition("/")[2]
        return "any JSON value" if name == "JsonValue" else f"`{name}`"
    if "const" in about:
        return f'`"{about["const"]}"`'
    if "enum" in about:
        return ", ".join(f"`{value}`" for value in about["enum"])
    if about.get("type") == "array":
        return f"list of {type_of(about.get('items', {}))}"
    if about.get("type") == "object":
        inner = about.get("additionalProperties")
        known = isinstance(inner, dict) and inner and not str(inner.get("$ref", "")).endswith("JsonValue")
        return f"object of {type_of(inner)}" if known else "object"
    return str(about.get("type", "any JSON value"))
