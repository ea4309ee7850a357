"""The post of this machine: its core sets, and the sessions with the guests on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.core.hardware import cpu_model
from harness.core.outcomes import ModelOutcome, Status
from harness.core.pressure import Rest
from harness.posts.post import Method, Unlearned, UnlearnTask
from harness.runners.base import PluginFacts, Runner
from harness.runners.cores import CoreSet, pinned
from harness.runners.session.guest_pool import StoppedError
from harness.runners.session.session import Session
from harness.runners.session.weights import State, same_weights
from harness_guest.protocol import STATE

OVERFLOW = (
    "The weights are finite, but the model's outputs are not, with these weights or with them rounded to bfloat16: a forward "
    "pass overflows. Keep the weights in range, e.g. with a smaller learning rate or clipped gradients."
)


@dataclass(frozen=True)
class Equipment:
    """What a method runs with.

    Attributes:
        runner, facts: the method's runner and metadata.
        options: the method's options.
    """

    runner: Runner
    facts: PluginFacts
    options: Mapping[str, Any]


class Bench(Protocol):
    """What all guests of a run on this machine share."""

    @property
    def core_sets(self) -> tuple[CoreSet, ...]:
        """Return the cores of each seat."""

    def session(
        self,
        runner: Runner,
        facts: PluginFacts,
        options: Mapping[str, Any],
        seconds: float,
        core_set: CoreSet,
        due: Callable[[], int],
    ) -> Session:
        """Return a session with guests of this runner that may last ``seconds``."""

    def judge(self, weights: State, core_set: CoreSet) -> dict[str, NDArray[np.float32]]:
        """Return a model's logits, (n, C), by split and query."""


class LocalPost:
    """The seats of this machine.

    Args:
        bench: what its guests share.
        equip: returns what a method runs with; called once a method.
        node: its name in messages.
    """

    def __init__(self, bench: Bench, equip: Callable[[Method], Equipment], node: str = "this machine") -> None:
        self.node = node
        self.cpu_model = cpu_model()
        self.lost = False
        self._bench, self._equip = bench, equip
        self._equipped: dict[Method, Equipment] = {}
        self._sessions: dict[tuple[Method, int], Session] = {}
        self._left: dict[Method, int] = {}
        self._stopped = False
        self._lock = threading.RLock()

    @property
    def seats(self) -> int:
        """Return the number of models that it can unlearn at once."""
        return len(self._bench.core_sets)

    def cores(self, seat: int) -> tuple[int, ...] | None:
        """Return the cores to which a seat's thread is pinned; None if there is only one seat."""
        return self._bench.core_sets[seat].cores if self.seats > 1 else None

    def rest(self) -> Rest:
        """Return what tells whether the machine is idle."""
        return Rest()

    def equipment(self, method: Method) -> Equipment:
        """Return what a method runs with."""
        with self._lock:
            if method not in self._equipped:
                self._equipped[method] = self._equip(method)
            return self._equipped[method]

    def unlearn(self, seat: int, task: UnlearnTask) -> Unlearned:
        """Unlearn a model, and judge it; see :meth:`harness.posts.post.Post.unlearn`."""
        self._left[task.method] = task.left
        with pinned(self.cores(seat)):
            session = self._session(seat, task)
            outcome, weights = session.unlearn(
                task.index,
                task.seed,
                task.state,
                task.limit_s,
                task.journal,
                clock=task.clock,
                deadline_s=task.deadline_s,
            )
            return self._judged(task, outcome, weights, session.core_set) if task.judged else Unlearned(outcome)

    def _judged(self, task: UnlearnTask, outcome: ModelOutcome, weights: State | None, core_set: CoreSet) -> Unlearned:
        if not outcome.status.finished or weights is None:
            return Unlearned(replace(outcome, judge_s=0.0))
        began_s = time.monotonic()
        kept = weights.pop(STATE, None)
        original = {name: array for name, array in task.state.items() if name != STATE}
        outcome = replace(outcome, unchanged=same_weights(weights, original))
        found = self._bench.judge(weights, core_set)
        logits = found if all(np.isfinite(array).all() for array in found.values()) else None
        if logits is None:
            outcome = replace(outcome, status=Status.OUTPUT_INVALID, advice=OVERFLOW)
        outcome = replace(outcome, judge_s=time.monotonic() - began_s)
        return Unlearned(outcome, logits, weights if task.keep else None, kept if task.keep else None)

    def _session(self, seat: int, task: UnlearnTask) -> Session:
        with self._lock:
            if self._stopped:
                raise StoppedError
            key = (task.method, seat)
            if key not in self._sessions:
                own, core_set = self.equipment(task.method), self._bench.core_sets[seat]
                self._sessions[key] = self._bench.session(
                    own.runner, own.facts, own.options, task.life_s, core_set, lambda: self._left[task.method]
                )
            return self._sessions[key]

    def shut(self, method: Method, seat: int | None = None) -> None:
        """Dismiss the guests of a method, on one seat or on all."""
        with self._lock:
            keys = [key for key in self._sessions if key[0] == method and seat in (None, key[1])]
            ended = [self._sessions.pop(key) for key in keys]
        for session in ended:
            session.close()

    def stop(self) -> None:
        """End all work soon, with StoppedError, and refuse more."""
        with self._lock:
            self._stopped = True
            sessions = tuple(self._sessions.values())
        for session in sessions:
            session.stop()
