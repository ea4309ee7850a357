"""Large intermediate results in temporary files without a name, so that memory does not grow with models times examples.

Such an array is used as any other, with the same numbers. Its pages are in memory while there is room; if memory is short, the
kernel writes them to the file and drops them. The file is in the directory for temporary files, which in a run is the cache
directory; it is gone once the array is.
"""

from __future__ import annotations

import math
import os
import tempfile
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Number = TypeVar("Number", bound=np.generic)

IN_MEMORY_BYTES = 4 << 20
"""Largest array that is simply held in memory."""

_ROWS = 32
"""Rows copied at once."""


def empty(shape: int | tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an array to be filled; a large one is in a file if the disk has room for it."""
    size = math.prod(np.atleast_1d(shape).tolist()) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)  # a disk that fills up later would end the process
        except OSError:
            return np.empty(shape, dtype)
        return np.asarray(np.memmap(file, dtype, "r+", shape=shape))


def full(shape: int | tuple[int, ...], value: float, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return :func:`empty` filled with one number."""
    found = empty(shape, dtype)
    found[...] = value
    return found


def like(values: NDArray[Number]) -> NDArray[Number]:
    """Return :func:`empty` of the same shape, type and order in memory, on which the order of sums depends."""
    if values.flags.f_contiguous and not values.flags.c_contiguous:
        turned: NDArray[Number] = empty(values.shape[::-1], values.dtype).T
        return turned
    return empty(values.shape, values.dtype)


def copied(values: NDArray[Number]) -> NDArray[Number]:
    """Return a copy in :func:`like`."""
    found = like(values)
    found[...] = values
    return found


def kept(values: NDArray[Number]) -> NDArray[Number]:
    """Return a large array as a copy in :func:`like`, for results that are kept; others unchanged."""
    return values if values.nbytes <= IN_MEMORY_BYTES or _in_file(values) else copied(values)


def taken(values: NDArray[Number], rows: NDArray[np.int64]) -> NDArray[Number]:
    """Return ``values[rows]`` in :func:`empty`."""
    found = empty((len(rows), *values.shape[1:]), values.dtype)
    for start in range(0, len(rows), _ROWS):
        found[start : start + _ROWS] = values[rows[start : start + _ROWS]]
    return found


def joined(parts: list[NDArray[Number]]) -> NDArray[Number]:
    """Return the concatenation of arrays of equal type along their first axis, in :func:`empty`."""
    shape = (sum(map(len, parts)), *parts[0].shape[1:])
    if all(part.flags.f_contiguous and not part.flags.c_contiguous for part in parts):
        turned = np.concatenate([part.T for part in parts], axis=-1, out=empty(shape[::-1], parts[0].dtype))
        found: NDArray[Number] = turned.T
        return found
    return np.concatenate(parts, out=empty(shape, parts[0].dtype))


def _in_file(values: Any) -> bool:
    """Return True if the array is a view of a mapped file."""
    while values is not None and not isinstance(values, np.memmap):
        values = getattr(values, "base", None)
    return values is not None
