"""Measurement of limits other than wall-clock time: examples drawn and CPU seconds."""

from __future__ import annotations

import os
import resource
import time


class LimitReachedError(RuntimeError):
    """More examples were drawn than the limit allows."""


class Meter:
    """A counter of examples drawn from the splits, item by item or in batches.

    It is cooperative: an example that a plugin copies and reuses counts once, when it is copied through the split, or never.
    Draws of other processes are not counted; with a limit they are refused.

    Args:
        limit: on examples; None for none.

    Attributes:
        examples: drawn so far.
    """

    def __init__(self, limit: float | None = None) -> None:
        self._limit, self._process = limit, os.getpid()
        self.examples = 0

    def draw(self, examples: int) -> None:
        """Count examples about to be drawn.

        Raises:
            LimitReachedError: the limit would be exceeded, or a worker process draws under a limit.
        """
        if self._limit is not None and os.getpid() != self._process:
            raise LimitReachedError(
                "examples drawn by a worker process are not counted: use num_workers=0 with --clock steps"
            )
        drawn = self.examples + examples
        if self._limit is not None and drawn > self._limit:
            raise LimitReachedError(
                f"the limit is {self._limit:.0f} examples, but {drawn} were requested: watch context.remaining_s"
            )
        self.examples = drawn


def processor_s() -> float:
    """Return the CPU seconds of this process, its threads and its ended children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
