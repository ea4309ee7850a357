"""A check, what it finds, and how it says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from harness.conformance.bench import Bench

FindingStatus = Literal["ok", "fail", "skipped"]
Demand = Callable[["Bench"], str]
"""Returns what is worth telling, perhaps nothing; raises :class:`Broken` or :class:`NotApplicable`."""


class Broken(Exception):  # noqa: N818 -- a verdict on a plugin, not an error of ours
    """The plugin does not do what a check demands.

    Attributes:
        detail: what was seen.
        advice: what its author should do.
    """

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(detail)
        self.detail, self.advice = detail, advice


class NotApplicable(Exception):  # noqa: N818 -- a verdict, not an error
    """The check cannot be made here; the text says why."""


@dataclass(frozen=True)
class Check:
    """One thing that is demanded of a plugin.

    Attributes:
        name: in words joined by hyphens.
        demand: one sentence that says what is demanded.
        look: carries it out.
        needs: names of checks without which this one says nothing; it is skipped where one of them does not hold.
    """

    name: str
    demand: str
    look: Demand
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What became of a check.

    Attributes:
        check: which.
        status: "skipped" where it could not be made.
        detail: what was seen; empty where there is nothing to add to the demand.
        advice: what the author should do; empty but for "fail".
    """

    check: Check
    status: FindingStatus
    detail: str = ""
    advice: str = ""
