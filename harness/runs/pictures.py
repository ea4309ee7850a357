"""Small pictures as PNG files, to be embedded in a page."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

MAX_SIDE = 64
_COLOUR_TYPES = {1: 0, 3: 2}  # PNG's numbers for grey and for red, green, blue


def drawable(shape: tuple[int, ...]) -> bool:
    """Return True if an image of this shape (channels, height, width) is a small grey or colour picture."""
    return len(shape) == 3 and shape[0] in _COLOUR_TYPES and min(shape[1:]) > 0 and max(shape[1:]) <= MAX_SIDE


def png_base64(image: NDArray[np.uint8]) -> str:
    """Return the picture, shape (1 or 3, height, width), uint8, as a PNG file in base64 (ISO/IEC 15948)."""
    channels, height, width = image.shape
    rows = np.ascontiguousarray(image.transpose(1, 2, 0)).reshape(height, width * channels)
    # Filter type 2 of PNG: each row is stored as its difference from the row above.
    filtered = np.diff(rows, axis=0, prepend=np.zeros((1, rows.shape[1]), np.uint8))
    lines = np.concatenate([np.full((height, 1), 2, np.uint8), filtered], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)), _chunk(b"IEND", b""))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode("ascii")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
