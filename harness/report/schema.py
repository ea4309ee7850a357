"""The report's JSON Schema (draft 2020-12): generated from the model, shipped as a file, checked on every write.

Run ``python -m harness.report.schema`` after a change of the model to regenerate the shipped file.
"""

from __future__ import annotations

import inspect
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DataclassSchema

from harness.core.files import atomic_write_text
from harness.report.document import Report
from harness.report.stream_document import StreamReport

SCHEMA_PATH = Path(__file__).with_name("report-v1.schema.json")
STREAM_SCHEMA_PATH = Path(__file__).with_name("stream-v1.schema.json")
SCHEMA_ID = "urn:unlearning-harness:report:1"
_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


class _Described(GenerateJsonSchema):
    """A generator that takes the descriptions of a dataclass and its fields from the docstring."""

    def dataclass_schema(self, schema: DataclassSchema) -> JsonSchemaValue:
        """Return the schema of a dataclass; the field descriptions are the ``Attributes`` of it and its bases."""
        made = super().dataclass_schema(schema)
        made["description"] = _docstring(schema["cls"])[0]
        for base in reversed(schema["cls"].__mro__[:-1]):
            for name, meaning in _ATTRIBUTE.findall(_docstring(base)[1]):
                made["properties"][name]["description"] = _in_terms_of_json(meaning)
        return made


def _docstring(cls: type) -> tuple[str, str]:
    """Return the prose of a class's docstring, and its section ``Attributes``."""
    prose, _, attributes = inspect.cleandoc(cls.__doc__ or "").partition("\n\nAttributes:\n")
    return prose, attributes


def _in_terms_of_json(meaning: str) -> str:
    text = re.sub(r"\bNone\b", "null", " ".join(meaning.replace("``", "").split()))
    return text[0].upper() + text[1:]


def generate_schema() -> dict[str, Any]:
    """Return the JSON Schema of the documents that :func:`harness.report.writing.write_report` writes."""
    body = Report.model_json_schema(mode="serialization", schema_generator=_Described)
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": SCHEMA_ID, **body, "title": "Unlearning report"}


def schema_text() -> str:
    """Return the generated schema in the form in which it is shipped."""
    return json.dumps(generate_schema(), indent=2, sort_keys=True) + "\n"


def stream_schema_text() -> str:
    """Return the generated schema of a stream's ``summary.json`` in the form in which it is shipped."""
    body = StreamReport.model_json_schema(mode="serialization", schema_generator=_Described)
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": "urn:unlearning-harness:stream:1"}
    return json.dumps({**head, **body, "title": "Summary of a stream of requests"}, indent=2, sort_keys=True) + "\n"


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
    atomic_write_text(STREAM_SCHEMA_PATH, stream_schema_text())
