"""The stop of a run whose first models all fail for the same reason."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable

from harness.core.outcomes import ModelOutcome, Status
from harness.posts.queue import Queue

FIRST_FAILURES = 3
"""Number of models that must have failed alike."""
NUMBER = re.compile(r"0x[0-9a-f]+|\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)

Cause = tuple[object, ...]


def cause_of(outcome: ModelOutcome) -> Cause:
    """Return what must be equal in two failures for them to count as alike.

    Numbers in error messages are ignored, because they differ between models (losses, indices, addresses).
    """
    seen = outcome.evidence
    message = NUMBER.sub("#", seen.error_message or "")
    return (outcome.status, seen.error_type, message, seen.signal, seen.exit_code)


def failed_alike(outcomes: Iterable[ModelOutcome]) -> bool:
    """Return True if at least three models failed, all for the same reason, and none has finished.

    Failures of the sandbox do not count: they are no evidence about the plugin.
    """
    causes = [
        None if one.status.finished else cause_of(one) for one in outcomes if one.status is not Status.INFRA_ERROR
    ]
    return len(causes) >= FIRST_FAILURES and None not in causes and len(set(causes)) == 1


def stop_warning(ended: int, planned: int, *, of_stream: bool = False) -> list[str]:
    """Return the warning about a run that stopped after ``ended`` of ``planned`` models; empty if all have ended.

    A request of a stream cannot be continued alone, since the next one begins with what it returned.
    """
    if ended >= planned:
        return []
    rest = planned - ended
    were = f"{rest} more were" if rest > 1 else "1 more was"
    alone, stream = (
        "start the others with `harness resume RUN --keep-going`.",
        "run the stream again with `--keep-going`.",
    )
    text = f"The run stopped because its first {ended} models failed alike; {were} not started. Fix the cause and run again, or"
    return [f"{text} {stream if of_stream else alone}"]


class FailFast:
    """Empties the queue once the first models have failed alike. Thread-safe.

    Models in progress are completed. If one of them finishes, the queue is restored, and its worker continues.

    Args:
        queue: indices of the models to start.
        ended: outcomes of earlier attempts at the run.
    """

    def __init__(self, queue: Queue, ended: Iterable[ModelOutcome]) -> None:
        self._queue, self._ended = queue, list(ended)
        self._held: list[int] = []
        self._lock = threading.Lock()
        self._update()

    def count(self, outcome: ModelOutcome) -> None:
        """Record a model's outcome."""
        with self._lock:
            self._ended.append(outcome)
            self._update()

    def _update(self) -> None:
        if failed_alike(self._ended):
            self._held += self._queue
            self._queue.clear()
        elif self._held:
            self._queue.extend(self._held)
            self._held.clear()
