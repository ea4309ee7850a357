"""Writing and reading ``report.json``; nothing that disagrees with the shipped schema is ever written."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as SchemaError
from jsonschema.exceptions import best_match
from pydantic import ValidationError

from harness.errors import ReportInvalidError, RunNotFoundError
from harness.files import atomic_write_text
from harness.reading import foreign
from harness.report.model import SCHEMA_VERSION, Report
from harness.report.schema import shipped_schema

REPORT_NAME = "report.json"
# A raw line break cannot stand inside a JSON string, so this meets arrays of numbers alone.
_NUMBERS = re.compile(r"\[\n\s*((?:-?[0-9][0-9.eE+-]*,?\s+)+)\]")


def write_report(report: Report, run_dir: Path) -> Path:
    """Write ``report.json`` into ``run_dir``, whole or not at all, and return its path.

    Raises:
        ReportInvalidError: the report disagrees with the shipped schema; an older file stays as it was.
        NoSpaceError: the disk is full; an older file stays as it was.
        OutputUnwritableError: ``run_dir`` is not there or may not be written.
    """
    path = run_dir / REPORT_NAME
    atomic_write_text(path, report_text(report))
    return path


def report_text(report: Report) -> str:
    """The report as JSON text, checked against the shipped schema.

    Raises:
        ReportInvalidError: it disagrees with the schema, or holds NaN or infinity.
    """
    document = report.model_dump(mode="python")
    try:
        text = json.dumps(document, indent=2, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise ReportInvalidError(f"The report cannot be written as JSON: {error}. Nothing was written.") from error
    validate(json.loads(text))
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def validate(document: Any) -> None:
    """Check a parsed ``report.json`` against the shipped schema.

    Raises:
        ReportInvalidError: with the place and the reason of the most telling disagreement.
    """
    found: SchemaError | None = best_match(_validator().iter_errors(document))
    if found is not None:
        raise ReportInvalidError(f"The report disagrees with its schema at {found.json_path}: {found.message[:500]}")


def load_report(path: Path) -> Report:
    """Read a report; ``path`` is the file or the run folder that holds it.

    Raises:
        RunNotFoundError: there is no report.
        ReportInvalidError: the file is not a report of this schema version.
    """
    file = path / REPORT_NAME if path.is_dir() else path
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise RunNotFoundError(
            f"There is no report at {file} ({error.strerror}). Give a finished run's folder."
        ) from error
    with foreign(f"{file} is not JSON", ReportInvalidError):
        document = json.loads(raw)
    with foreign(f"{file} is no report", ReportInvalidError):
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
        raise ReportInvalidError(f"{file} contradicts itself: {error}") from error


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(shipped_schema())
