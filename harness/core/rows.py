"""Rows of a memory-mapped array, read from the file when they are used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

CHUNK_BYTES = 16 << 20
"""Bytes of rows that are read at once where all rows are needed."""


class Inputs(Protocol):
    """Inputs of examples, the first dimension counting them: an array, or :class:`Rows` of a mapped one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (n, ...)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the values."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


class Rows:
    """Chosen rows of a memory-mapped array, in a given order; as an array, but read only when indexed.

    An integer, a slice or an array of integers as index returns an array of these rows.

    Args:
        mapped: shape (m, ...).
        index: positions of the rows, shape (n,); all of them by default.
    """

    def __init__(self, mapped: NDArray[Any], index: NDArray[np.int64] | None = None) -> None:
        self._mapped = mapped
        self._index = np.arange(len(mapped)) if index is None else index

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (n, ...)."""
        return (len(self._index), *self._mapped.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the values."""
        return self._mapped.dtype

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: Any) -> Any:
        return np.asarray(self._mapped[self._index[index]])

    def take(self, index: NDArray[np.int64]) -> Rows:
        """Return the rows at ``index``, in that order; nothing is read."""
        return Rows(self._mapped, self._index[index])


def taken(inputs: Inputs, index: NDArray[np.int64]) -> Inputs:
    """Return the rows at ``index``: a copy of an array, or rows of a mapped one."""
    found: Inputs = inputs.take(index) if isinstance(inputs, Rows) else inputs[index]
    return found


Chunk: TypeAlias = NDArray[Any]


def chunks(inputs: Inputs) -> Iterator[Chunk]:
    """Yield all rows, a few megabytes at a time, as contiguous arrays; a scalar is one row."""
    if not inputs.shape:
        yield np.ascontiguousarray(inputs)
        return
    row_bytes = max(1, int(np.prod(inputs.shape[1:], dtype=np.int64)) * inputs.dtype.itemsize)
    step = max(1, CHUNK_BYTES // row_bytes)
    for start in range(0, len(inputs), step):
        yield np.ascontiguousarray(inputs[start : start + step])
