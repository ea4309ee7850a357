"""Retraining measured again between models, within a share of the run's time.

It never changes the limit of the run under way. The smallest time is kept for later runs, and all of them say whether the
machine was as fast between the models as when the limit was measured.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from harness.runners.seats import Seat

SHARE = 0.2
"""Of the time that models took, the most that measuring again may take."""

START_S = 5.0
"""What starting a sandbox for it is expected to take at first, seconds."""


class Remeasuring:
    """Decides after each model whether there is time for one further retraining. Safe against several threads.

    Args:
        retrain: retrains once, with this number and on this seat, and returns the time in the unit of the limit's clock, or None
            where it cannot.
        expected_s: seconds of a retraining on the host's clock.
        end: lets a retraining under way end soon with StoppedError; from any thread.
        share: of the time that models took; None for :data:`SHARE`.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        retrain: Callable[[int, Seat], float | None],
        expected_s: float,
        end: Callable[[], None] = lambda: None,
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
        self._end = end
        self._lock = threading.Lock()

    def after_model(self, seat: Seat) -> None:
        """Retrain once more on a worker's seat if that fits into the share; other workers go on meanwhile."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._possible and self._fits():
                self._once(seat)
        finally:
            self._lock.release()

    def stop(self) -> None:
        """Begin no further retraining, and end the one under way."""
        self._possible = False
        self._end()

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
