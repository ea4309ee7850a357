"""One picture file as an array; Pillow is imported when the first picture is read.

Only pictures whose numbers are taken over as they stand are read: :data:`FORMATS` and :data:`MODES` list them, and
``docs/reference/tasks.md`` shows the same table. Whatever would need a conversion with a choice in it (16 bits to 8, a
background for transparent pixels, one of several frames, a colour profile) is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.errors import DatasetMissingError
from harness.tasks.wording import listed

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
MODES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with alpha",
    "P": "palette",
    "RGB": "colour",
    "RGBA": "colour with alpha",
}
"""Pillow's name of each mode that is read, and its meaning."""
MAX_BITS = 8
OPAQUE = 255
_PNG_DEPTH_BYTE = 24
_TIFF_BITS, _TIFF_SAMPLE_FORMAT, _TIFF_UNSIGNED = 258, 339, 1
_TIFF_EXTRA, _TIFF_UNSPECIFIED = 338, 0
_BMP_DROPPED = ("BGRX", "BGR;15", "BGR;16")


def read_picture(path: Path, *, size: int, grey: bool) -> NDArray[np.uint8]:
    """Return the picture, turned upright by its EXIF data and resized to a square; shape (1 or 3, size, size).

    Raises:
        DatasetMissingError: Pillow is not installed.
        FileNotFoundError: no such file.
        ValueError: not a picture, a damaged or an absurdly large one, or one that :data:`MODES` does not cover; the
            message lists every fault.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DatasetMissingError(
            f"Pictures need Pillow, which cannot be imported ({error}): pip install 'unlearning-harness[vision]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as opened:
                return _pixels(opened, path, size=size, grey=grey)
        except (FileNotFoundError, _RefusedError):
            raise
        except Exception as error:  # a decoder raises whatever a damaged file leads it to
            raise ValueError(f"cannot be read as a picture: {error or type(error).__name__}") from error


class _RefusedError(ValueError):
    """A sound picture that is not covered by the table."""


def _pixels(opened: Image.Image, path: Path, *, size: int, grey: bool) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    if faults := list(_faults(opened, path)):
        raise _RefusedError(f"is not read: {'; '.join(faults)}")
    upright = ImageOps.exif_transpose(opened)
    if _has_alpha(upright):  # which is opaque throughout, or it was a fault
        upright = upright.convert("RGBA")
    upright = upright.convert("RGB").convert("L" if grey else "RGB")
    resized = upright if upright.size == (size, size) else upright.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(resized, dtype=np.uint8)
    return pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _faults(image: Image.Image, path: Path) -> Iterator[str]:
    """Yield every reason why a picture is not read, each with what to do."""
    if image.format not in FORMATS:
        yield f"its format is {image.format}; save it as one of {listed(FORMATS)}"
    bits = _bits(image, path)
    if bits > MAX_BITS:
        yield f"it has {bits} bits a channel; save it with {MAX_BITS}"
    if image.mode not in MODES:
        yield f"its mode is {image.mode}; save it as grey (L) or colour (RGB)"
    yield from _odd_numbers(image)
    if (frames := getattr(image, "n_frames", 1)) != 1:
        yield f"it has {frames} frames; save the frame that is meant as a file of its own"
    if image.mode in MODES and (share := _transparent_share(image)):
        yield f"{share:.2g} of its pixels are transparent; save it without alpha, on the background that is meant"


def _bits(image: Image.Image, path: Path) -> int:
    """Return the bits of a channel in the file, which Pillow's mode does not always show."""
    if image.format == "PNG":
        with path.open("rb") as stream:
            return stream.read(_PNG_DEPTH_BYTE + 1)[_PNG_DEPTH_BYTE]
    if image.format == "TIFF":
        return max(_tiff(image, _TIFF_BITS) or (1,))
    if image.mode.startswith("I;16") or (image.format == "PPM" and _ppm_maximum(image) > OPAQUE):
        return 16
    return 32 if image.mode in ("I", "F") else MAX_BITS


def _odd_numbers(image: Image.Image) -> Iterator[str]:
    """Yield faults of the numbers in the file that Pillow would convert without a word."""
    if image.format == "TIFF" and any(kind != _TIFF_UNSIGNED for kind in _tiff(image, _TIFF_SAMPLE_FORMAT)):
        yield f"its numbers are signed or have a point; save them as whole numbers from 0 to {OPAQUE}"
    if image.format == "TIFF" and _TIFF_UNSPECIFIED in _tiff(image, _TIFF_EXTRA):
        yield "it has a channel beside colour and alpha; save it without"
    if image.format == "BMP" and _raw_mode(image) in _BMP_DROPPED:
        yield "it is a BMP of 16 or 32 bits a pixel; save it as one of 24, or as a PNG"
    if image.format == "PPM" and _ppm_maximum(image) < OPAQUE:
        yield f"its greatest value is {_ppm_maximum(image)}; save it with {OPAQUE}"


def _tiff(image: Image.Image, tag: int) -> tuple[int, ...]:
    found = image.tag_v2.get(tag, ())  # type: ignore[attr-defined]
    return found if isinstance(found, tuple) else (int(found),)


def _arguments(image: Image.Image) -> tuple[object, ...]:
    """Return the arguments of the decoder of the first tile, raw mode first."""
    found = image.tile[0][3]  # type: ignore[attr-defined]
    return found if isinstance(found, tuple) else (found,)


def _raw_mode(image: Image.Image) -> str:
    return str(_arguments(image)[0])


def _ppm_maximum(image: Image.Image) -> int:
    """Return the number that stands for white in a PPM file."""
    raw, *others = _arguments(image)
    if image.tile[0][0] == "raw" or not others:  # type: ignore[attr-defined]
        return 65535 if str(raw).startswith(("I", "F")) else OPAQUE
    return int(str(others[0]))


def _has_alpha(image: Image.Image) -> bool:
    return "A" in image.mode or "transparency" in image.info


def _transparent_share(image: Image.Image) -> float:
    """Return the share of pixels that are not fully opaque."""
    if not _has_alpha(image):
        return 0.0
    histogram = image.convert("RGBA").getchannel("A").histogram()
    return sum(histogram[:OPAQUE]) / sum(histogram)
