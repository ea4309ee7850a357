"""The interface of a post: one machine's seats, each of which unlearns one model at a time.

The program that decides (queue, attempts, run folder, cache) hands units of work to posts and stores what they return. A post
measures with its own clock, so only durations come back, never times.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.core.outcomes import ModelOutcome
from harness.core.pressure import Rest
from harness.evaluation import Clock
from harness.runners.session.weights import State

Method = Literal["plugin", "retrain"]
"""The submission, or the bundled ``retrain`` by which the limit is measured."""


@dataclass(frozen=True)
class UnlearnTask:
    """One model to unlearn.

    Attributes:
        method: what unlearns it.
        index: number of the model.
        seed: seed of all random streams in the model's process.
        state: the original's state, with the plugin's state of the request before, if there is one.
        limit_s: in the unit of ``clock``; None for no limit.
        journal: record of the original's training; None for none.
        clock: unit of the limit.
        deadline_s: wall-clock seconds after which the model is killed if ``clock`` is not "wall"; None for never.
        life_s: seconds that a guest may live, in which all models of the queue could be done.
        left: models that still waited when this one was taken: the maximum of warm guests.
        judged: compute the logits of the returned model.
        keep: return the weights.
    """

    method: Method
    index: int
    seed: int
    state: State
    limit_s: float | None
    journal: Path | None
    clock: Clock
    deadline_s: float | None
    life_s: float
    left: int = 0
    judged: bool = True
    keep: bool = False


@dataclass(frozen=True)
class Unlearned:
    """What came of a model.

    Attributes:
        outcome: status and durations.
        logits: (n, C) float32 by split and query; None if the model failed, or was not to be judged.
        weights: the returned weights if they were asked for, else None.
        kept: the plugin's state for the next request of a stream; None if it kept none.
    """

    outcome: ModelOutcome
    logits: dict[str, NDArray[np.float32]] | None = None
    weights: State | None = None
    kept: NDArray[np.uint8] | None = None


class PostLostError(Exception):
    """A post did not answer; whether it did the work is unknown, and what it may still return is not read.

    Args:
        reason: a clause, e.g. "node n3 stopped answering after 41.2 s".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Post(Protocol):
    """The seats of one machine. Methods are called from any thread, at most one :meth:`unlearn` per seat at a time."""

    @property
    def node(self) -> str:
        """Return the name of the machine, for messages."""

    @property
    def cpu_model(self) -> str:
        """Return the machine's processor, of which the retraining time depends."""

    @property
    def seats(self) -> int:
        """Return the number of models that it can unlearn at once."""

    @property
    def lost(self) -> bool:
        """Return True once it did not answer; it gets no more work."""

    def rest(self) -> Rest:
        """Return what tells whether the machine is idle."""

    def cores(self, seat: int) -> tuple[int, ...] | None:
        """Return the cores of this process's machine to which a seat is pinned; None for none."""

    def unlearn(self, seat: int, task: UnlearnTask) -> Unlearned:
        """Unlearn a model, and judge it; a failure of the method is returned as an outcome.

        Raises:
            PostLostError: the machine did not answer.
            SandboxError: no guest could be started.
            StoppedError: :meth:`stop` was called.
        """

    def shut(self, method: Method, seat: int | None = None) -> None:
        """Dismiss the guests of a method, on one seat or on all."""

    def stop(self) -> None:
        """End all work soon, with StoppedError, and refuse more; from any thread."""
