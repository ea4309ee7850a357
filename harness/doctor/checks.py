"""Results of checks of this machine, collected so that a failed check does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from harness.errors import HarnessError

CheckStatus = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """The result of a check of this machine.

    Attributes:
        name: what was checked.
        status: "fail" if the harness cannot work, "warn" if some runs cannot work or are less isolated.
        detail: what was found.
        advice: what to do; empty if nothing is to be done.
    """

    name: str
    status: CheckStatus
    detail: str
    advice: str = ""


def guarded(name: str, step: Callable[[], Iterable[Check]]) -> list[Check]:
    """Return the checks of one step; convert an exception into a failed check, after those already made."""
    found: list[Check] = []
    try:
        found.extend(step())
    except HarnessError as error:  # its message includes the advice
        found.append(Check(name, "fail", str(error)))
    except Exception as error:
        reason = f"the check raised {type(error).__name__}: {error}"
        found.append(
            Check(name, "fail", reason, "This is a bug of the harness or a damaged installation; please report it.")
        )
    return found
