"""Cores and devices of each worker's guests, and the rule for when further guests may warm up.

A guest warms up by importing torch, which keeps a core busy for about two seconds. It must not do so on a core on which a model
is being measured. If there are spare cores, the next guests warm up on them during a measurement and are then moved to the
worker's own cores. Otherwise several guests warm up at once between two models.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CoreSet:
    """Cores and GPUs of one worker's guests.

    Attributes:
        cores: core numbers on which its models are measured; None for no pinning.
        spare: cores on which no worker ever measures a model, so that guests may warm up on them at any time.
        gpus: devices of its guests, in the form of ``--gpus``; None for the runner's default.
        ahead: number of guests that may be warm, or warming up, besides the one being measured.
    """

    cores: tuple[int, ...] | None = None
    spare: tuple[int, ...] = ()
    gpus: str | None = None
    ahead: int = 1

    @property
    def waiting(self) -> tuple[int, ...] | None:
        """Return the cores on which warm-up guests start: spare cores if any, else the worker's own."""
        return self.spare or self.cores


@dataclass(frozen=True)
class Span:
    """An interval in which cores were busy.

    Attributes:
        kind: "warming", from requesting a guest until it was found to be ready (it may have been ready earlier); or
            "measured", from the start of a model's clock to its end.
        cores: the busy cores; None if not pinned.
        began_s, ended_s: start and end in seconds of the session's clock.
    """

    kind: Literal["warming", "measured"]
    cores: tuple[int, ...] | None
    began_s: float
    ended_s: float

    def disturbs(self, other: Span) -> bool:
        """Return True if a warm-up overlaps a measurement in time and cores."""
        if {self.kind, other.kind} != {"warming", "measured"}:
            return False
        if self.ended_s <= other.began_s or other.ended_s <= self.began_s:
            return False
        return self.cores is None or other.cores is None or not set(self.cores).isdisjoint(other.cores)


def core_list(cores: Collection[int]) -> str:
    """Return core numbers in the kernel's list format, e.g. "0,1,5"."""
    return ",".join(map(str, sorted(cores)))


@contextmanager
def pinned(cores: Collection[int] | None) -> Iterator[None]:
    """Pin this thread, and any process it starts, to these cores within a ``with`` block; None for no change."""
    if cores is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
