"""Repeated measurements of retraining between models, within a share of the run's time.

They never change the limit of the current run. The smallest time is kept for later runs, and all times show whether the machine
was as fast between the models as when the limit was measured.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from harness.posts.dispatch import Seat

SHARE = 0.2
"""Maximum time of the repeated measurements, as a share of the models' time."""

START_S = 5.0
"""Initial estimate of the seconds needed to start a sandbox for a measurement."""


class Remeasuring:
    """Scheduler that decides after each model whether there is time for another retraining. Thread-safe.

    Args:
        retrain: retrains once, given a number and a seat, and returns the time in the unit of the limit's clock, or None on
            failure.
        expected_s: expected wall-clock seconds of a retraining.
        share: share of the models' time; None for :data:`SHARE`.
        clock: monotonic clock in seconds.
    """

    def __init__(
        self,
        retrain: Callable[[int, Seat], float | None],
        expected_s: float,
        share: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._retrain, self._clock = retrain, clock
        self._share = SHARE if share is None else share
        self._next_s = expected_s + START_S
        self._began_s = clock()
        self._spent_s = 0.0
        self._number = 0
        self._possible = True
        self._lock = threading.Lock()

    def after_model(self, seat: Seat) -> None:
        """Retrain on a worker's seat if it fits into the share; other workers continue meanwhile."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._possible and self._fits():
                self._once(seat)
        finally:
            self._lock.release()

    def _fits(self) -> bool:
        models_s = self._clock() - self._began_s - self._spent_s
        return self._spent_s + self._next_s <= self._share * models_s

    def _once(self, seat: Seat) -> None:
        began_s = self._clock()
        found = self._retrain(self._number, seat)
        self._number += 1
        self._next_s = self._clock() - began_s
        self._spent_s += self._next_s
        self._possible = self._possible and found is not None
