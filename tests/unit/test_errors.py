"""Exit codes are unique and documented."""

from __future__ import annotations

import inspect
from pathlib import Path

from harness import errors
from harness.cli import compare, root, runs, system

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "exit-codes.md"


def _codes() -> dict[str, int]:
    classes = inspect.getmembers(errors, inspect.isclass)
    codes = {name: cls.exit_code for name, cls in classes if issubclass(cls, errors.HarnessError)}
    return codes | {
        "no model finished": runs.NO_MODEL_FINISHED,
        "doctor": system.DOCTOR_FOUND_FAULTS,
        "drift found": compare.DRIFT_FOUND,
        "internal": root.NOT_HANDLED,
    }


def test_every_error_has_an_exit_code_of_its_own() -> None:
    codes = _codes()

    assert len(set(codes.values())) == len(codes)


def test_every_exit_code_is_documented() -> None:
    page = PAGE.read_text()

    assert [code for code in _codes().values() if f"| {code} |" not in page] == []


def test_every_error_class_says_when_it_is_raised() -> None:
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__]

    assert [cls.__name__ for cls in classes if not cls.__doc__] == []
