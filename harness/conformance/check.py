"""Data model of a check and its finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from harness.conformance.trial_runner import TrialRunner

FindingStatus = Literal["ok", "fail", "skipped"]
CheckFunction = Callable[["TrialRunner"], str]
"""A function that returns a remark, possibly empty; it raises :class:`CheckFailed` or :class:`NotApplicable`."""


class CheckFailed(Exception):  # noqa: N818 -- a verdict on a plugin, not an error of ours
    """The plugin does not meet the requirement of a check.

    Attributes:
        detail: what was observed.
        advice: what the author should do.
    """

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(detail)
        self.detail, self.advice = detail, advice


class NotApplicable(Exception):  # noqa: N818 -- a verdict, not an error
    """The check cannot be run on this machine; the message states why."""


@dataclass(frozen=True)
class Check:
    """A requirement of a plugin.

    Attributes:
        name: words joined by hyphens.
        demand: one imperative sentence that states the requirement.
        look: the function that checks it.
        needs: names of checks that must hold; otherwise this check is skipped.
    """

    name: str
    demand: str
    look: CheckFunction
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        check: the check.
        status: "skipped" if the check could not be run.
        detail: what was observed; empty if there is nothing to add to the requirement.
        advice: what the author should do; empty unless the status is "fail".
    """

    check: Check
    status: FindingStatus
    detail: str = ""
    advice: str = ""
