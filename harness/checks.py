"""One finding about this machine, and how findings are gathered without one stopping the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from harness.errors import HarnessError

CheckStatus = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One finding about this machine.

    Attributes:
        name: what was looked at.
        status: "fail" where the harness cannot work, "warn" where some runs cannot or hold less.
        detail: what was found.
        advice: what to do; empty where there is nothing to do.
    """

    name: str
    status: CheckStatus
    detail: str
    advice: str = ""


def guarded(name: str, step: Callable[[], Iterable[Check]]) -> list[Check]:
    """The findings of one step; one that breaks becomes a failed check of that name, after those it had made.

    Our own errors carry their advice in their message.
    """
    found: list[Check] = []
    try:
        found.extend(step())
    except HarnessError as error:
        found.append(Check(name, "fail", str(error)))
    except Exception as error:
        reason = f"the check itself broke: {type(error).__name__}: {error}"
        found.append(
            Check(name, "fail", reason, "This is a fault of the harness or a damaged installation; report it.")
        )
    return found
