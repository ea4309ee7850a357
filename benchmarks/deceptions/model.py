"""The record of a deception, and of what it hands in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.answers import Answers, Rows
from benchmarks.populations import World
from harness.report.document import VerdictLevel

Make = Callable[[World, np.random.Generator], "Submission"]


@dataclass(frozen=True)
class Submission:
    """What came of all models of a run.

    Attributes:
        answers: of the models that finished.
        rows: which original each of them came from, shape (N_finished,); None: all, in order.
        left: share of the memory that is truly left in this draw; None: as the record says.
        shift: true mean shift in this draw, in standard deviations; None: as the record says.
        recovered: what they answer after a little training on retained data; None: nobody looks.
        world: the run's other models where they are not those of the world that was given.
    """

    answers: Answers
    rows: Rows | None = None
    left: float | None = None
    shift: float | None = None
    recovered: Answers | None = None
    world: World | None = None


@dataclass(frozen=True)
class Deception:
    """A submission that tries to deceive, or an honest one that looks odd.

    Attributes:
        name: unique.
        family: name shared by deceptions of the same mechanism; "honest" for honest submissions.
        text: what it does, one sentence.
        make: builds the submission from a world and a stream of random numbers.
        words: verdicts that describe it rightly.
        left: share of the memory of the forget set that is truly left, in [0, 1].
        shift: mean shift of confidence on the forget set, in standard deviations; 0 where it is not to be judged.
        honest: whether it is an honest submission.
        needs_queries: only queries can distinguish it from a retrained model.
    """

    name: str
    family: str
    text: str
    make: Make
    words: frozenset[VerdictLevel]
    left: float = 0.0
    shift: float = 0.0
    honest: bool = False
    needs_queries: bool = False


def words(*levels: VerdictLevel) -> frozenset[VerdictLevel]:
    """Return a set of verdict levels."""
    return frozenset(levels)


CATALOGUE: list[Deception] = []
"""All submissions; the modules of this package add theirs when they are imported."""


def register(*submissions: Deception) -> None:
    """Add submissions to the catalogue."""
    CATALOGUE.extend(submissions)


def deception(name: str, family: str, right: frozenset[VerdictLevel], **facts: Any) -> Callable[[Make], Make]:
    """Register a function as a submission, with its docstring as the text.

    Args:
        name, family: as of :class:`Deception`.
        right: verdicts that describe it rightly.
        facts: other attributes.
    """

    def decorate(make: Make) -> Make:
        register(Deception(name, family, (make.__doc__ or "").strip(), make, right, **facts))
        return make

    return decorate
