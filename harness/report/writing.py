"""Writing and reading of ``report.json``, always validated against the shipped schema."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as SchemaError
from jsonschema.exceptions import best_match
from pydantic import ValidationError

from harness.core.files import atomic_write_text
from harness.core.reading import foreign
from harness.errors import ReportInvalidError, RunNotFoundError
from harness.report.document import SCHEMA_VERSION, Report
from harness.report.schema import shipped_schema

REPORT_NAME = "report.json"
# JSON strings cannot contain a raw line break, so this matches only arrays of numbers.
_NUMBERS = re.compile(r"\[\n\s*((?:-?[0-9][0-9.eE+-]*,?\s+)+)\]")


def write_report(report: Report, run_dir: Path) -> Path:
    """Write ``report.json`` into ``run_dir`` atomically and return its path.

    Raises:
        ReportInvalidError: the report violates the shipped schema; an older file is kept.
        NoSpaceError: the disk is full; an older file is kept.
        OutputUnwritableError: ``run_dir`` does not exist or is not writable.
    """
    path = run_dir / REPORT_NAME
    atomic_write_text(path, report_text(report))
    return path


def report_text(report: Report) -> str:
    """Return the report as JSON text, validated against the shipped schema.

    Raises:
        ReportInvalidError: it violates the schema, or contains NaN or infinity.
    """
    document = report.model_dump(mode="python")
    try:
        text = json.dumps(document, indent=2, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise ReportInvalidError(f"The report cannot be written as JSON: {error}. Nothing was written.") from error
    validate(json.loads(text))
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def validate(document: Any) -> None:
    """Validate a parsed ``report.json`` against the shipped schema.

    Raises:
        ReportInvalidError: with the path and the reason of the most relevant violation.
    """
    found: SchemaError | None = best_match(_validator().iter_errors(document))
    if found is not None:
        raise ReportInvalidError(f"The report violates its schema at {found.json_path}: {found.message[:500]}")


def load_report(path: Path) -> Report:
    """Read a report; ``path`` is the file or its run folder.

    Raises:
        RunNotFoundError: there is no report.
        ReportInvalidError: the file is not a report of this schema version.
    """
    file = path / REPORT_NAME if path.is_dir() else path
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise RunNotFoundError(
            f"There is no report at {file} ({error.strerror}). Pass the folder of a finished run."
        ) from error
    return parsed_report(raw, file)


def parsed_report(raw: bytes, file: Path) -> Report:
    """Parse the bytes of a report's file: quickly by its pydantic model, and on failure by the schema, for its error message.

    Raises:
        ReportInvalidError: they are not a report of this schema version.
    """
    with suppress(ValidationError, RecursionError):  # the schema names the place of the fault
        return Report.model_validate_json(raw, strict=True)
    with foreign(f"{file} is not JSON", ReportInvalidError):
        document = json.loads(raw)
    with foreign(f"{file} is not a report", ReportInvalidError):
        return _parsed(document, file)


def _parsed(document: Any, file: Path) -> Report:
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise ReportInvalidError(
            f"{file} has report schema version {version!r}; this program reads version {SCHEMA_VERSION!r}."
        )
    validate(document)
    try:
        return Report.model_validate(document)
    except ValidationError as error:
        raise ReportInvalidError(f"{file} is inconsistent: {error}") from error


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(shipped_schema())
