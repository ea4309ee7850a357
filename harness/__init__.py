"""The host: finds unlearning plugins, runs each in a sandbox under a wall-clock limit, judges what comes back.

What stands in ``__all__`` is the library; see ``docs/how-to/use-from-python.md``. Nothing of it is imported before it is
asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness._version import __version__

if TYPE_CHECKING:
    from harness import errors
    from harness.errors import HarnessError
    from harness.library.calls import (
        evaluate,
        export,
        load_report,
        load_reports,
        outputs,
        resume,
        run,
        score,
    )
    from harness.library.frames import to_pandas
    from harness.library.result import RunReport
    from harness.library.several import check, compare, leaderboard
    from harness.library.studies import load_study

__all__ = [
    "HarnessError",
    "RunReport",
    "__version__",
    "check",
    "compare",
    "errors",
    "evaluate",
    "export",
    "leaderboard",
    "load_report",
    "load_reports",
    "load_study",
    "outputs",
    "resume",
    "run",
    "score",
    "to_pandas",
]

_HOMES = {
    "HarnessError": "harness.errors",
    "RunReport": "harness.library.result",
    "check": "harness.library.several",
    "compare": "harness.library.several",
    "evaluate": "harness.library.calls",
    "export": "harness.library.calls",
    "leaderboard": "harness.library.several",
    "load_report": "harness.library.calls",
    "load_reports": "harness.library.calls",
    "load_study": "harness.library.studies",
    "outputs": "harness.library.calls",
    "resume": "harness.library.calls",
    "run": "harness.library.calls",
    "score": "harness.library.calls",
    "to_pandas": "harness.library.frames",
}


if not TYPE_CHECKING:  # or a misspelled name would have every type

    def __getattr__(name: str) -> Any:
        """Import what is asked for: ``import harness`` alone must cost nothing."""
        if name == "errors":
            return import_module("harness.errors")
        if name not in _HOMES:
            raise AttributeError(f"module 'harness' has no attribute {name!r}")
        globals()[name] = value = getattr(import_module(_HOMES[name]), name)
        return value


def __dir__() -> list[str]:
    """Return the names of the library alone, without modules that happen to be imported."""
    return sorted(__all__)
