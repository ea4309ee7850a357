"""Arrays that may be larger than memory."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness.core.cache import cache_root
from harness.core.files import write_error

IN_MEMORY_BYTES = 8 << 20
"""Largest array that is simply held in memory."""


def room(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array to be filled; a large one lies in a file without a name, which the kernel writes out if memory is short.

    The file is in the cache directory, whose disk has room for populations. It is gone once the array is.

    Raises:
        NoSpaceError, OutputUnwritableError: the file cannot be made.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype)
    place = cache_root()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place) as file:
            os.posix_fallocate(file.fileno(), 0, size)  # a disk that fills up later would end the process
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        raise write_error(place, error) from error


def stacked(rows: Iterable[Mapping[str, NDArray[Any]]], count: int) -> dict[str, NDArray[Any]]:
    """Return arrays with a new first axis of length ``count``, filled from one row after another in :func:`room`.

    Args:
        rows: name -> array of each row, each read when the one before has been copied. A name that is missing in a row is left
            out.
        count: their number.
    """
    found: dict[str, NDArray[Any]] = {}
    for place, row in enumerate(rows):
        if not place:
            found = {name: room((count, *array.shape), array.dtype) for name, array in row.items()}
        found = {name: array for name, array in found.items() if name in row}
        for name, array in found.items():
            array[place] = row[name]
    return found
