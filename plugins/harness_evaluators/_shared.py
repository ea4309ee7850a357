"""Work that several evaluators need: done once for a run, and on as many threads as the process has processors."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numpy as np

from harness.evaluation import Evidence

Item = TypeVar("Item")
Found = TypeVar("Found")

_KEPT: dict[int, dict[Hashable, Any]] = {}
"""By identity of the evidence; an entry goes when its evidence does."""

_THREAD = threading.local()


def once(evidence: Evidence, key: Hashable, compute: Callable[[], Found]) -> Found:
    """What ``compute`` returns, kept as long as the evidence lives; ``key`` names it.

    Only where no logits can be written to, as in every run of the harness: what rests on others is computed anew, since
    they may have changed. An array that is kept can no longer be written to.
    """
    if not _fixed(evidence):
        return compute()
    if id(evidence) not in _KEPT:
        weakref.finalize(evidence, _KEPT.pop, id(evidence), None)
        _KEPT[id(evidence)] = {}
    kept = _KEPT[id(evidence)]
    if key not in kept:
        found = compute()
        if isinstance(found, np.ndarray):
            found.flags.writeable = False
        kept[key] = found
    return cast(Found, kept[key])


def _fixed(evidence: Evidence) -> bool:
    return not any(array.flags.writeable for by in evidence.logits.values() for array in by.values())


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(work: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
    """``work`` on every item, in their order; NumPy's large operations run side by side.

    What is done in such a thread starts no further ones: they would only contend for the processors.
    """
    every = list(items)
    count = min(len(every), processors())
    if count < 2 or getattr(_THREAD, "at_work", False):
        return [work(item) for item in every]
    with ThreadPoolExecutor(count, initializer=_begin) as pool:
        return list(pool.map(work, every))


def _begin() -> None:
    _THREAD.at_work = True


def slices(length: int, step: int) -> list[slice]:
    """Consecutive slices of ``step`` that cover ``length``."""
    return [slice(start, min(start + step, length)) for start in range(0, length, max(1, step))]
