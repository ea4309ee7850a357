"""Which cores and devices the guests of one worker run on, and when another of them may warm up.

A guest that warms up, which is importing torch, keeps a core busy for two seconds. It may not do so on a core on which a model is
being measured. Where cores are left over, the next guests warm up on those while a model is measured, and are moved to the seat's
own cores when their turn has come. Where none is left over, guests warm up between two models, several at once.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Seat:
    """Where the guests of one worker run.

    Attributes:
        cores: numbers of the cores on which its models are measured; None for wherever the system puts them.
        spare: cores on which no model of any worker is ever measured, and guests warm up at any time.
        gpus: devices of its guests, as ``--gpus`` has them; None for the runner's own.
        ahead: how many guests may be warm, or warming up, beside the one that is being measured.
    """

    cores: tuple[int, ...] | None = None
    spare: tuple[int, ...] = ()
    gpus: str | None = None
    ahead: int = 1

    @property
    def waiting(self) -> tuple[int, ...] | None:
        """The cores on which a guest is to be started that is one of many."""
        return self.spare or self.cores


@dataclass(frozen=True)
class Span:
    """When cores were busy with something.

    Attributes:
        kind: "warming" of a guest, from asking for it until it was seen to be ready, which may be later than it was; or
            "measured", from the start of a model's clock to its end.
        cores: on which; None for any.
        began_s, ended_s: of the session's clock.
    """

    kind: Literal["warming", "measured"]
    cores: tuple[int, ...] | None
    began_s: float
    ended_s: float

    def disturbs(self, other: Span) -> bool:
        """One warms up while the other is measured, on a core that both may use."""
        if {self.kind, other.kind} != {"warming", "measured"}:
            return False
        if self.ended_s <= other.began_s or other.ended_s <= self.began_s:
            return False
        return self.cores is None or other.cores is None or not set(self.cores).isdisjoint(other.cores)


def core_list(cores: Collection[int]) -> str:
    """Core numbers as the kernel writes them, e.g. "0,1,5"."""
    return ",".join(map(str, sorted(cores)))


@contextmanager
def pinned(cores: Collection[int] | None) -> Iterator[None]:
    """Keep this thread, and what it starts meanwhile, on these cores for the time of a block; None: where it is."""
    if cores is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
