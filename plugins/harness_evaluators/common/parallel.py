"""Large arrays in blocks, on as many threads as the process has processors."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Item = TypeVar("Item")
Found = TypeVar("Found")

_THREAD = threading.local()
"""Has ``at_work`` in the threads of :func:`in_threads`."""

PARTS = 16
"""Of a thread's work: more parts even out what takes long and what does not, but cost more to hand over."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(work: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
    """Apply ``work`` to each item and return the results in order; NumPy's large operations run in parallel.

    Work that is done in one of these threads starts no further ones: they would only contend for the processors.
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
    """Return consecutive slices of ``step``, or of 1 where ``step`` is less, that cover ``length``."""
    step = max(1, step)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def unfilled(shape: int | tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an array of NaN for results to be written into: a place that is missed can never pass for a number."""
    return np.full(shape, np.nan, dtype=dtype)
