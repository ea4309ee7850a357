"""A strict reader of IDX, the file format of MNIST; plain or gzipped.

Layout: two zero bytes, a type byte (only 8, unsigned byte, is supported), the number of dimensions, each dimension as a
big-endian 32-bit number, then the data.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import DatasetInvalidError

_UNSIGNED_BYTE = 8
_MAX_BYTES = 1 << 30


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes.

    Args:
        path: a file, gzipped if its name ends in ``.gz``.
        dimensions: required number of dimensions.

    Raises:
        DatasetInvalidError: the file is not in this format, or its length differs from its header.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            header = stream.read(4 + 4 * dimensions)
            shape = _shape(header, dimensions, path)
            data = stream.read(math.prod(shape) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetInvalidError(f"{path} cannot be read: {error}; download it again") from error
    if len(data) != math.prod(shape):
        have = "more" if len(data) > math.prod(shape) else f"only {len(data)}"
        raise DatasetInvalidError(
            f"{path}: the header declares {math.prod(shape)} bytes, shape {shape}, but there are {have}; download it again"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _shape(header: bytes, dimensions: int, path: Path) -> tuple[int, ...]:
    magic = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if header[:4] != magic:
        raise DatasetInvalidError(
            f"{path} is not an IDX file of {dimensions}-dimensional bytes: it starts with {header[:4].hex(' ')!r} "
            f"instead of {magic.hex(' ')!r}"
        )
    if len(header) != 4 + 4 * dimensions:
        raise DatasetInvalidError(f"{path} is truncated within its header; download it again")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    if math.prod(shape) > _MAX_BYTES:
        raise DatasetInvalidError(
            f"{path}: the header declares {math.prod(shape)} bytes, more than the limit of {_MAX_BYTES}"
        )
    return shape
