"""The report's JSON Schema (draft 2020-12): generated from the model, shipped as a file, checked on every write.

Run ``python -m harness.report.schema`` after a change of the model to regenerate the shipped file.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from harness.core.files import atomic_write_text
from harness.report.document import Report

SCHEMA_PATH = Path(__file__).with_name("report-v1.schema.json")
SCHEMA_ID = "urn:unlearning-harness:report:1"


def generate_schema() -> dict[str, Any]:
    """Return the JSON Schema of the documents that :func:`harness.report.writing.write_report` writes."""
    body = Report.model_json_schema(mode="serialization")
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": SCHEMA_ID, **body, "title": "Unlearning report"}


def schema_text() -> str:
    """Return the generated schema in the form in which it is shipped."""
    return json.dumps(generate_schema(), indent=2, sort_keys=True) + "\n"


def shipped_schema_text() -> str:
    """Return the shipped schema as text, as ``harness schema`` prints it."""
    return SCHEMA_PATH.read_text(encoding="utf-8")


@cache
def shipped_schema() -> dict[str, Any]:
    """Return the shipped schema, parsed."""
    schema: dict[str, Any] = json.loads(shipped_schema_text())
    return schema


if __name__ == "__main__":
    atomic_write_text(SCHEMA_PATH, schema_text())
