"""Safetensors files of arrays: written a few megabytes at a time, and mapped into memory instead of being read.

The library's own writer and reader hold a whole file in memory; the format (https://github.com/huggingface/safetensors) is eight
bytes of header length, a header in JSON, and the values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from harness.core.rows import Inputs, chunks

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""Names of types in the format -> NumPy's names; other types cannot be mapped."""
_NAMES = {numpy: name for name, numpy in DTYPES.items()}
_METADATA = "__metadata__"


class TensorFileError(ValueError):
    """The file is no safetensors file that can be mapped; the message says why."""


def write_tensors(path: Path, arrays: Mapping[str, Inputs | list[Inputs]]) -> None:
    """Write arrays as safetensors; not atomic, for folders that are renamed when they are complete.

    Args:
        path: the new file.
        arrays: name -> array, or a list of arrays, which are joined along their first dimension.

    Raises:
        OSError: the disk is full, or the folder is not writable.
    """
    parts = {name: found if isinstance(found, list) else [found] for name, found in arrays.items()}
    # Wide types first, so that every array begins at a multiple of its type's size.
    order = sorted(parts, key=lambda name: (-parts[name][0].dtype.itemsize, name))
    header: dict[str, Any] = {}
    end = 0
    for name in order:
        first = parts[name][0]
        shape = first.shape if len(parts[name]) == 1 else (sum(map(len, parts[name])), *first.shape[1:])
        begin, end = end, end + math.prod(shape) * first.dtype.itemsize
        header[name] = {"dtype": _NAMES[first.dtype.name], "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            for part in parts[name]:
                for chunk in chunks(part):
                    file.write(chunk.data)


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file, mapped into memory; writing to them does not change the file.

    Raises:
        TensorFileError: the file is damaged, or has a type that NumPy lacks.
        OSError: it cannot be read.
    """
    header, start = _header(path)
    return {name: _mapped(path, name, entry, start) for name, entry in header.items()}


def read_row(path: Path, row: int) -> dict[str, NDArray[Any]]:
    """Return one row of each array of a safetensors file, mapped into memory; writing to it does not change the file.

    Raises:
        TensorFileError: the file is damaged, has a type that NumPy lacks, or an array without this row.
        OSError: it cannot be read.
    """
    found = {}
    for name, array in map_tensors(path).items():
        if not array.shape or not 0 <= row < len(array):
            raise TensorFileError(f"{name!r} has the shape {list(array.shape)} and no row {row}")
        found[name] = array[row, ...]
    return found


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the entry of each array, and where the values begin."""
    if not path.stat().st_size:
        raise TensorFileError("it is empty")
    try:
        # Maps the file without reading it, and refuses offsets that overlap, leave gaps or do not fit shape and dtype.
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as error:
        raise TensorFileError(f"it is cut off or damaged: {error}") from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {name: entry for name, entry in header.items() if name != _METADATA}, length + 8


def _kind(name: str, entry: Any) -> np.dtype[Any]:
    if entry["dtype"] not in DTYPES:
        raise TensorFileError(f"{name!r} has dtype {entry['dtype']}; these can be read: {', '.join(DTYPES)}")
    return np.dtype(DTYPES[entry["dtype"]])


def _mapped(path: Path, name: str, entry: Any, start: int) -> NDArray[Any]:
    kind, shape, (begin, end) = _kind(name, entry), tuple(entry["shape"]), entry["data_offsets"]
    try:
        if begin == end:
            return np.empty(shape, kind)
        return np.memmap(path, kind, "c", start + begin, shape)
    except ValueError as error:  # more dimensions, or larger ones, than NumPy has
        raise TensorFileError(f"{name!r} has the shape {list(shape)}: {error}") from error
