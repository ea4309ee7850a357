"""Work that several evaluators need: done once for a run, and on as many threads as the process has processors."""

from __future__ import annotations

import functools
import importlib
import itertools
import math
import os
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness.evaluation import Evidence

Item = TypeVar("Item")
Found = TypeVar("Found")

_KEPT: dict[int, dict[Hashable, Future[Any]]] = {}
"""By identity of the evidence; an entry goes when its evidence does. Who asks for what is under way waits for it."""

_LOCK = threading.Lock()

_THREAD = threading.local()

PARTS = 16
"""Of a thread's work: more even out what takes long and what does not, and cost more to hand over."""

LEAST = 1_000_000
"""Numbers from which on :func:`kernels` gives any."""


def once(evidence: Evidence, key: Hashable, compute: Callable[[], Found]) -> Found:
    """Return what ``compute`` returns, kept as long as the evidence lives; ``key`` names it.

    Evidence never changes. An array that is kept can no longer be written to.
    """
    with _LOCK:
        if id(evidence) not in _KEPT:
            weakref.finalize(evidence, _KEPT.pop, id(evidence), None)
            _KEPT[id(evidence)] = {}
        kept = _KEPT[id(evidence)]
        mine, promise = key not in kept, kept.setdefault(key, Future())
    if mine:
        _fulfil(promise, compute)
    elif getattr(_THREAD, "at_work", False) and not promise.done():
        return compute()  # who computes it may be waiting for this very thread
    return cast(Found, promise.result())


def _fulfil(promise: Future[Any], compute: Callable[[], Any]) -> None:
    try:
        found = compute()
    except BaseException as error:
        promise.set_exception(error)
        return
    if isinstance(found, np.ndarray):
        found.flags.writeable = False
    promise.set_result(found)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(work: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
    """``work`` on every item, in their order; NumPy's large operations and compiled loops run side by side.

    What is done in such a thread starts no further ones: they would only contend for the processors. All callers share
    the same threads, one for each processor.
    """
    every = list(items)
    if min(len(every), processors()) < 2 or getattr(_THREAD, "at_work", False):
        return [work(item) for item in every]
    parts = slices(len(every), -(-len(every) // (PARTS * processors())))

    def of(part: slice) -> list[Found]:
        return [work(item) for item in every[part]]

    return list(itertools.chain.from_iterable(_pool().map(of, parts)))


def kernels(name: str, numbers: int) -> ModuleType | None:
    """Compiled twins of an evaluator's loops; None for little work, and where numba cannot be imported.

    Args:
        name: of the module.
        numbers: how many it would go through: below LEAST, NumPy is done before compiled code has been loaded.
    """
    return _kernels(name) if numbers >= LEAST else None


@functools.cache
def _kernels(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(f"harness_evaluators.{name}")
    except ImportError:
        return None


def scratch(name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Memory of this thread's own, of any content, which the next call with ``name`` hands out again.

    It is for what is written whole before it is read.
    Fresh memory of some hundred kilobytes costs more to obtain than a pass over it.
    """
    kept: dict[str, NDArray[Any]] = _THREAD.__dict__.setdefault("scratch", {})
    size, kind = math.prod(shape), np.dtype(dtype)
    if name not in kept or kept[name].nbytes < size * kind.itemsize:
        kept[name] = np.empty(size * kind.itemsize, dtype=np.uint8)
    return kept[name][: size * kind.itemsize].view(kind).reshape(shape)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(processors(), thread_name_prefix="evaluators", initializer=_begin)


if hasattr(os, "register_at_fork"):  # threads do not live on in a forked process
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _begin() -> None:
    _THREAD.at_work = True


def slices(length: int, step: int) -> list[slice]:
    """Return consecutive slices of ``step``, or of 1 where ``step`` is less, that cover ``length``."""
    step = max(1, step)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def unfilled(shape: int | tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an array of NaN for results to be written into: a place that is missed can never pass for a number."""
    return np.full(shape, np.nan, dtype=dtype)
