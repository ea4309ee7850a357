"""Times of a run's phases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from harness.errors import HarnessError


@dataclass
class Phases:
    """Timer of a run's phases: seconds by name, in the order of their start.

    Attributes:
        seconds: totals over all commands that worked on the run, including interrupted phases.
        keep: called with ``seconds`` at the end of every phase.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    keep: Callable[[Mapping[str, float]], None] = lambda _seconds: None

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the time of a ``with`` block to the phase ``name``."""
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self._count(name, began)
            with suppress(HarnessError):  # a full disk must not hide why the phase ended
                self.keep(self.seconds)
            raise
        self._count(name, began)
        self.keep(self.seconds)

    def _count(self, name: str, began: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began
