"""Draining: on a signal, models in progress end and are stored, and no other is begun."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.posts.queue import Queue


@contextmanager
def drained(queue: Queue, *, also_terminated: bool) -> Iterator[None]:
    """Close the queue when SIGUSR1 arrives within a ``with`` block, as batch systems send it before a job's time ends.

    A second signal interrupts at once. Nothing is changed outside the main thread.

    Args:
        queue: its numbers in progress go on.
        also_terminated: SIGTERM drains too; otherwise it interrupts, as Ctrl-C does.

    Raises:
        KeyboardInterrupt: at the end of the block, if a signal came and numbers are left.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def close(_signum: int, _frame: Any) -> None:
        if queue.closed:
            raise KeyboardInterrupt
        queue.close()

    signals = [signal.SIGUSR1, *([signal.SIGTERM] if also_terminated else [])]
    before = {one: signal.signal(one, close) for one in signals}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if queue.closed and len(queue):
        raise KeyboardInterrupt
