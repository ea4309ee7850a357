"""How models of a run ended, by kind: stopped by the harness, failed by themselves, or not judged at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.core.outcomes import ModelOutcome, Status
from harness.report.words import STATUS_WORDS

Kind = Literal["contained", "crashed", "not-judged"]
KINDS: dict[Status, Kind] = {
    Status.POLICY_VIOLATION: "contained",
    Status.OUTPUT_INVALID: "contained",
    Status.OUTPUT_TOO_LARGE: "contained",
    Status.SETUP_ERROR: "not-judged",
    Status.INFRA_ERROR: "not-judged",
}
"""Kinds of failures; all others are "crashed"."""

WORDS: dict[Kind, tuple[str, str, str]] = {
    "contained": (
        "⊘",
        "contained",
        "The harness refused what the plugin did or returned: it broke a rule, deliberately or not, and had no effect.",
    ),
    "crashed": ("✗", "crashed", "The plugin failed by itself, or used more time, memory or processes than it may."),
    "not-judged": (
        "?",
        "not judged",
        "The method did not get to show anything: the sandbox failed, or the model could not be prepared.",
    ),
}
"""Sign, word and meaning of each kind; signs and words do not depend on colour."""


@dataclass(frozen=True)
class Chip:
    """Models of a run that ended in the same way.

    Attributes:
        kind: CSS class.
        sign: a character.
        word: one or two words, e.g. "crashed".
        cause: e.g. "the plugin raised an exception".
        status: machine name of the cause.
        models: how many ended so.
        meaning: of the kind, one sentence.
    """

    kind: Kind
    sign: str
    word: str
    cause: str
    status: str
    models: int
    meaning: str


def chips(models: Iterable[ModelOutcome]) -> list[Chip]:
    """Return a chip for each cause of failure, most models first."""
    counts = Counter(one.status for one in models if not one.status.finished)
    return [chip(status, count) for status, count in counts.most_common()]


def chip(status: Status, models: int) -> Chip:
    """Return the chip of a cause of failure."""
    kind = KINDS.get(status, "crashed")
    return Chip(kind, WORDS[kind][0], WORDS[kind][1], STATUS_WORDS[status], status.value, models, WORDS[kind][2])
