"""Small studies that are given on the command line, without a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import UsageError
from harness.runs.config import parse_options, parse_value
from harness.runs.store import plain_name
from harness.studies.definition import Study, StudyFile, make_study


def study_of_options(
    plugins: Sequence[str],
    pairs: Sequence[str],
    tasks: Sequence[str],
    seeds: int,
    budgets: str | None,
    run: Mapping[str, Any],
) -> Study:
    """Return the study of the command line's options.

    Args:
        plugins, tasks: at least one of each.
        pairs: ``KEY=VALUE,VALUE``: values of an option to try with every plugin; JSON, else text.
        seeds: number of seeds.
        budgets: shares of retraining with commas; None for the tasks'.
        run: options of the runs.

    Raises:
        UsageError: one is missing or invalid.
    """
    if not plugins or not tasks:
        raise UsageError("Pass the FILE of a study, or at least one --plugin and one --task.")
    options = {name: _values(name, value) for name, value in parse_options(pairs).items()}
    values = {
        "schema": 1,
        "name": _name(plugins, tasks),
        "methods": [{"plugin": one, "options": options} for one in plugins],
        "tasks": list(tasks),
        "seeds": seeds,
        "budgets": [_share(one) for one in budgets.split(",")] if budgets else [],
        "run": {name: list(one) if isinstance(one, tuple) else one for name, one in run.items()},
    }
    try:
        definition = StudyFile.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, not {first['input']!r}.") from error
    return make_study(definition, Path.cwd())


def _values(name: str, value: Any) -> Any:
    """Return the values of a text with commas; a JSON value, e.g. a list in brackets, is the values or the value itself."""
    if isinstance(value, str) and "," in value:
        return [parse_value(name, part.strip()) for part in value.split(",")]
    return value


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--budget-fraction takes shares with commas, e.g. 0.05,0.1, not {text!r}.") from None


def _name(plugins: Sequence[str], tasks: Sequence[str]) -> str:
    words = "-".join(plain_name(one) for one in (*plugins, *tasks)).lower()
    return "".join(one if one.isascii() and one.isalnum() else "-" for one in words).strip("-")[:64] or "study"
