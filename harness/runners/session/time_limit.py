"""The host's enforcement of the time limit: whatever a guest does, it is killed when its time is over.

The guest kills a model's process at the limit too (:mod:`harness_guest.watch`), and :mod:`harness.runners.session.causes` rejects
results that arrive late. The limit itself is set by :mod:`harness.runs.budget`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.runners.base import GuestHandle

KILL_GRACE_S = 0.35
"""Seconds after the limit in which the guest may still report evidence before it is killed; results are rejected."""

WATCHDOG_GRACE_S = 0.75
"""Seconds after the limit at which the guest is killed even if this thread is busy with its frames."""


@contextmanager
def enforced(handle: GuestHandle, limit_s: float | None, clock: Callable[[], float]) -> Iterator[float | None]:
    """Kill the guest unconditionally if a ``with`` block takes longer than the limit.

    Args:
        handle: the guest.
        limit_s: seconds of the wall clock; None for no limit.
        clock: monotonic seconds.

    Yields:
        The time of ``clock`` until which frames are accepted; None without a limit.
    """
    if limit_s is None:
        yield None
        return
    watchdog = threading.Timer(limit_s + WATCHDOG_GRACE_S, handle.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield clock() + limit_s + KILL_GRACE_S
    finally:
        watchdog.cancel()
