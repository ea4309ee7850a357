"""Reading of image files into arrays; Pillow is imported with the first image.

Only images with directly usable pixel values are read: :data:`FORMATS` and :data:`MODES` list them, as does
``docs/reference/tasks.md``. Images that need an ambiguous conversion are refused: 16 bits to 8, a background for transparent
pixels, one of several frames, a colour profile.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.errors import DatasetMissingError
from harness.tasks.yaml.wording import listed

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
"""Supported modes by Pillow's name, with their meaning."""
MAX_BITS = 8
OPAQUE = 255
_PNG_DEPTH_BYTE = 24
_TIFF_BITS, _TIFF_SAMPLE_FORMAT, _TIFF_UNSIGNED = 258, 339, 1
_TIFF_EXTRA, _TIFF_UNSPECIFIED = 338, 0
_BMP_DROPPED = ("BGRX", "BGR;15", "BGR;16")


def read_picture(source: Path | bytes, *, size: int, grey: bool) -> NDArray[np.uint8]:
    """Return the image of a file or of a file's content, rotated by its EXIF orientation and resized to a square.

    Its shape is (1 or 3, size, size), uint8.

    Raises:
        DatasetMissingError: Pillow is not installed.
        FileNotFoundError: if the file does not exist.
        ValueError: the file is not an image, is damaged or extremely large, or is not covered by :data:`MODES`; the
            message lists every fault.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DatasetMissingError(
            f"Reading images needs Pillow, which cannot be imported ({error}): pip install 'unlearning-harness[vision]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with source.open("rb") if isinstance(source, Path) else BytesIO(source) as stream:
                header = stream.read(_PNG_DEPTH_BYTE + 1)
                stream.seek(0)
                with Image.open(stream) as opened:
                    return _pixels(opened, header, size=size, grey=grey)
        except (FileNotFoundError, _RefusedError):
            raise
        except Exception as error:  # decoders raise any exception for damaged files
            raise ValueError(f"cannot be read as an image: {error or type(error).__name__}") from error


class _RefusedError(ValueError):
    """A valid image that is not supported."""


def _pixels(opened: Image.Image, header: bytes, *, size: int, grey: bool) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    if faults := list(_faults(opened, header)):
        raise _RefusedError(f"is not supported: {'; '.join(faults)}")
    upright = ImageOps.exif_transpose(opened)
    if _has_alpha(upright):  # fully opaque, else it would be a fault
        upright = upright.convert("RGBA")
    upright = upright.convert("RGB").convert("L" if grey else "RGB")
    resized = upright if upright.size == (size, size) else upright.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(resized, dtype=np.uint8)
    return pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _faults(image: Image.Image, header: bytes) -> Iterator[str]:
    """Yield every reason why an image is not supported, each with advice."""
    if image.format not in FORMATS:
        yield f"its format is {image.format}; save it as one of {listed(FORMATS)}"
    bits = _bits(image, header)
    if bits > MAX_BITS:
        yield f"it has {bits} bits per channel; save it with {MAX_BITS}"
    if image.mode not in MODES:
        yield f"its mode is {image.mode}; save it as grey (L) or colour (RGB)"
    yield from _odd_numbers(image)
    if (frames := getattr(image, "n_frames", 1)) != 1:
        yield f"it has {frames} frames; save the desired frame as a separate file"
    if image.mode in MODES and (share := _transparent_share(image)):
        yield f"a share of {share:.2g} of its pixels is transparent; save it without alpha, on a background"


def _bits(image: Image.Image, header: bytes) -> int:
    """Return the bits per channel in the file, which Pillow's mode does not always show."""
    if image.format == "PNG":
        return header[_PNG_DEPTH_BYTE]
    if image.format == "TIFF":
        return max(_tiff(image, _TIFF_BITS) or (1,))
    if image.mode.startswith("I;16") or (image.format == "PPM" and _ppm_maximum(image) > OPAQUE):
        return 16
    return 32 if image.mode in ("I", "F") else MAX_BITS


def _odd_numbers(image: Image.Image) -> Iterator[str]:
    """Yield faults of pixel values that Pillow would convert silently."""
    if image.format == "TIFF" and any(kind != _TIFF_UNSIGNED for kind in _tiff(image, _TIFF_SAMPLE_FORMAT)):
        yield f"its pixel values are signed or floating-point; save them as whole numbers from 0 to {OPAQUE}"
    if image.format == "TIFF" and _TIFF_UNSPECIFIED in _tiff(image, _TIFF_EXTRA):
        yield "it has a channel besides colour and alpha; save it without"
    if image.format == "BMP" and _raw_mode(image) in _BMP_DROPPED:
        yield "it is a BMP with 16 or 32 bits per pixel; save it with 24, or as a PNG"
    if image.format == "PPM" and _ppm_maximum(image) < OPAQUE:
        yield f"its maximum value is {_ppm_maximum(image)}; save it with {OPAQUE}"


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
    """Return the maximum value (white) of a PPM file."""
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
