"""Anti-aliased shapes on a pixel grid, for many images at once.

Only additions, multiplications, divisions and comparisons in float32 are used: IEEE 754 defines their rounding, unlike that of
exponentials and sines, so images are identical on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
"""Shape (n, H, W) for values per pixel, or (n, 1, 1) for one value per image; float32 at run time.

The static type is wider because NumPy's stubs give float64 for the product of float32 and a Python number.
"""

SIZE = 32


@dataclass(frozen=True)
class Frame:
    """Coordinates of every pixel's centre relative to a head: x to the right, y down, the face within about [-1, 1].

    Attributes:
        x, y: coordinates, shape (n, SIZE, SIZE).
        pixel: side length of a pixel, shape (n, 1, 1).
    """

    x: Plane
    y: Plane
    pixel: Plane

    def shifted(self, dx: Plane, dy: Plane) -> Frame:
        """Return the frame with its origin moved to (dx, dy)."""
        return Frame(self.x - dx, self.y - dy, self.pixel)

    def rows(self, rows: slice) -> Frame:
        """Return a band of the grid's rows, e.g. of :func:`band`."""
        return Frame(self.x[:, rows], self.y[:, rows], self.pixel)

    def take(self, index: NDArray[np.int64]) -> Frame:
        """Return the frames of the images at ``index``."""
        return Frame(self.x[index], self.y[index], self.pixel[index])

    def mirrored(self) -> Frame:
        """Return the frame with the left half folded onto the right, for features in pairs."""
        return Frame(np.abs(self.x), self.y, self.pixel)


def head_frame(shift_x: Plane, shift_y: Plane, roll: Plane, scale: Plane) -> Frame:
    """Return the frame of a head that is shifted, scaled and tilted; ``roll`` is the tangent of half the tilt."""
    centre = ((np.arange(SIZE, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / SIZE) - 1).astype(np.float32)
    px = (centre[None, None, :] - shift_x) / scale
    py = (centre[None, :, None] - shift_y) / scale
    norm = 1 / (1 + roll * roll)
    cosine, sine = (1 - roll * roll) * norm, 2 * roll * norm
    return Frame(cosine * px + sine * py, cosine * py - sine * px, np.float32(2 / SIZE) / scale)


def band(frame: Frame, low: float, high: float) -> slice:
    """Return the smallest band of rows that contains every pixel of any image with y between ``low`` and ``high``."""
    hit = np.flatnonzero(((frame.y > low) & (frame.y < high)).any(axis=(0, 2)))
    return slice(int(hit[0]), int(hit[-1]) + 1) if len(hit) else slice(0, 0)


def soft(value: Plane) -> Plane:
    """Return the coverage from a signed distance in pixels, positive inside: 0.5 on the edge, 0 and 1 half a pixel away."""
    value += np.float32(0.5)
    return unit(value)


def unit(value: Plane) -> Plane:
    """Clip to [0, 1] in place; several times faster than numpy.clip, which is not vectorised for scalar limits."""
    np.maximum(value, 0, out=value)
    return np.minimum(value, 1, out=value)


def ellipse(frame: Frame, cx: Plane | float, cy: Plane | float, rx: Plane | float, ry: Plane | float) -> Plane:
    """Return the coverage of an ellipse with centre (cx, cy) and radii (rx, ry), shape (n, SIZE, SIZE).

    The signed distance is approximated by (1 - q) min(rx, ry) / 2 with q = (dx/rx)^2 + (dy/ry)^2: it is accurate at the ends
    of the short axis and too small at the ends of the long axis, which makes the edge softer there.
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
    """Return the coverage of the half plane with y above ``edge``."""
    return soft((frame.y - edge) / frame.pixel)


def inside(values: Plane, low: Plane | float, high: Plane | float, pixel: Plane) -> Plane:
    """Return the coverage of low < values < high, for ``values`` that change by one pixel size per pixel."""
    middle, half = (high + low) * np.float32(0.5), (high - low) * np.float32(0.5)
    return soft((half - np.abs(values - middle)) / pixel)


def ramp(value: Plane, start: Plane | float, end: Plane | float) -> Plane:
    """Return 0 up to ``start``, 1 from ``end`` on, and a smooth step between (3t^2 - 2t^3)."""
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
    """Return pseudo-random numbers from an integer hash of (key, position), shape (n, count), uint32; portable.

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
