"""Threads and blocks for large arrays."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness_evaluators.common import mapped

Item = TypeVar("Item")
Found = TypeVar("Found")

_THREAD = threading.local()
"""Thread-local flag ``at_work``, set in the threads of :func:`in_threads`."""

PARTS = 16
"""Parts per thread: more parts balance the load better but cost more to hand over."""


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(work: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
    """Apply ``work`` to each item in threads and return the results in order; NumPy releases the GIL in large operations.

    Calls from within one of these threads run serially: further threads would only contend for the processors.
    """
    every = list(items)
    if min(len(every), processors()) < 2 or getattr(_THREAD, "at_work", False):
        return [work(item) for item in every]
    parts = slices(len(every), -(-len(every) // (PARTS * processors())))

    def of(part: slice) -> list[Found]:
        return [work(item) for item in every[part]]

    with ThreadPoolExecutor(processors(), thread_name_prefix="evaluators", initializer=_begin) as pool:
        return list(itertools.chain.from_iterable(pool.map(of, parts)))


def _begin() -> None:
    _THREAD.at_work = True


def slices(length: int, step: int) -> list[slice]:
    """Return consecutive slices of length max(1, ``step``) that cover ``length``."""
    step = max(1, step)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def unfilled(shape: int | tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an array of NaN for results to be written into, so that an element that is missed is visible.

    A large one is in a file: see :mod:`harness_evaluators.common.mapped`.
    """
    return mapped.full(shape, np.nan, dtype)
