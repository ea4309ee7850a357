"""Soft-edged shapes on a pixel grid, for many pictures at once.

Only additions, multiplications, divisions and comparisons in float32: these are rounded alike on every IEEE machine,
which exponentials and sines are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
"""Shape (n, H, W) for values on pixels, or (n, 1, 1) for one value a picture; float32 at run time.

The static type is wider because NumPy's stubs give float64 for the product of float32 and a Python number.
"""

SIZE = 32


@dataclass(frozen=True)
class Frame:
    """Coordinates of every pixel's centre as a head sees them: x to the right, y down, the face within about [-1, 1].

    Attributes:
        x, y: shape (n, SIZE, SIZE).
        pixel: side of a pixel, shape (n, 1, 1).
    """

    x: Plane
    y: Plane
    pixel: Plane

    def shifted(self, dx: Plane, dy: Plane) -> Frame:
        """The same pixels seen from a frame whose origin lies at (dx, dy)."""
        return Frame(self.x - dx, self.y - dy, self.pixel)

    def rows(self, rows: slice) -> Frame:
        """A band of the grid's rows, as :func:`band` finds it."""
        return Frame(self.x[:, rows], self.y[:, rows], self.pixel)

    def take(self, index: NDArray[np.int64]) -> Frame:
        """The pictures at ``index``."""
        return Frame(self.x[index], self.y[index], self.pixel[index])

    def mirrored(self) -> Frame:
        """Left folded onto right, for things that come in pairs."""
        return Frame(np.abs(self.x), self.y, self.pixel)


def head_frame(shift_x: Plane, shift_y: Plane, roll: Plane, scale: Plane) -> Frame:
    """The frame of a head moved by (shift_x, shift_y), scaled, and tilted; ``roll`` is the tangent of half the tilt."""
    centre = ((np.arange(SIZE, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / SIZE) - 1).astype(np.float32)
    px = (centre[None, None, :] - shift_x) / scale
    py = (centre[None, :, None] - shift_y) / scale
    norm = 1 / (1 + roll * roll)
    cosine, sine = (1 - roll * roll) * norm, 2 * roll * norm
    return Frame(cosine * px + sine * py, cosine * py - sine * px, np.float32(2 / SIZE) / scale)


def band(frame: Frame, low: float, high: float) -> slice:
    """The rows of the grid outside which no pixel of any picture has y between ``low`` and ``high``."""
    hit = np.flatnonzero(((frame.y > low) & (frame.y < high)).any(axis=(0, 2)))
    return slice(int(hit[0]), int(hit[-1]) + 1) if len(hit) else slice(0, 0)


def soft(value: Plane) -> Plane:
    """Coverage from a signed distance in pixels, positive inside: 0.5 on the edge, 0 and 1 half a pixel away."""
    value += np.float32(0.5)
    return unit(value)


def unit(value: Plane) -> Plane:
    """Clip to [0, 1] in place; several times as fast as numpy.clip, which is not vectorised for scalar limits."""
    np.maximum(value, 0, out=value)
    return np.minimum(value, 1, out=value)


def ellipse(frame: Frame, cx: Plane | float, cy: Plane | float, rx: Plane | float, ry: Plane | float) -> Plane:
    """Coverage of an ellipse with centre (cx, cy) and radii (rx, ry), shape (n, SIZE, SIZE).

    The signed distance is taken as (1 - q) min(rx, ry) / 2 with q = (dx/rx)^2 + (dy/ry)^2: right at the ends of the
    short axis, softer at those of the long one.
    """
    u = (frame.x - cx) * (np.float32(1) / np.asarray(rx, np.float32))
    u *= u
    v = (frame.y - cy) * (np.float32(1) / np.asarray(ry, np.float32))
    v *= v
    v = u + v
    np.subtract(1, v, out=v)
    v *= np.minimum(rx, ry, dtype=np.float32) / (2 * frame.pixel)
    return soft(v)


def below(frame: Frame, edge: Plane | float) -> Plane:
    """Coverage of everything with y greater than ``edge``."""
    return soft((frame.y - edge) / frame.pixel)


def inside(values: Plane, low: Plane | float, high: Plane | float, pixel: Plane) -> Plane:
    """Coverage of low < values < high, where ``values`` change by one pixel a pixel."""
    middle, half = (high + low) * np.float32(0.5), (high - low) * np.float32(0.5)
    return soft((half - np.abs(values - middle)) / pixel)


def ramp(value: Plane, start: Plane | float, end: Plane | float) -> Plane:
    """0 up to ``start``, 1 from ``end`` on, smooth between (3t^2 - 2t^3)."""
    t = np.clip((value - start) / (end - start), 0, 1).astype(np.float32)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def blend(image: Plane, coverage: Plane, colour: Plane) -> None:
    """Paint ``colour`` over ``image`` in place.

    Args:
        image: shape (n, 3, H, W).
        coverage: shape (n, H, W), in [0, 1].
        colour: shape (n, 3, 1, 1) or (n, 3, H, W).
    """
    delta = colour - image
    delta *= coverage[:, None]
    image += delta


def hashed(key: NDArray[np.uint32], count: int) -> NDArray[np.uint32]:
    """Pseudo-random numbers from an integer hash of (key, position): shape (n, count), uint32, the same everywhere.

    Source of the mixing steps: multiply-xorshift finaliser in the manner of MurmurHash3 (A. Appleby, public domain).
    """
    position = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1)
    value: NDArray[np.uint32] = position[None, :] + (key * np.uint32(0x85EBCA77))[:, None]
    value ^= value >> np.uint32(16)
    value *= np.uint32(0x85EBCA6B)
    value ^= value >> np.uint32(13)
    value *= np.uint32(0xC2B2AE35)
    value ^= value >> np.uint32(16)
    return value
