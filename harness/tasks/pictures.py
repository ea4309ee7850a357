"""One picture file as an array; Pillow is imported when the first picture is read."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import DatasetMissingError


def read_picture(path: Path, *, size: int, grey: bool) -> NDArray[np.uint8]:
    """The picture, turned upright as its EXIF data says, squeezed to a square; shape (1 or 3, size, size).

    Raises:
        DatasetMissingError: Pillow is not installed.
        OSError, ValueError, SyntaxError: no such file, no picture, a broken one, or one too large to be honest.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise DatasetMissingError(
            f"Pictures need Pillow, which cannot be imported ({error}): pip install 'unlearning-harness[vision]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as opened:
                upright = ImageOps.exif_transpose(opened).convert("L" if grey else "RGB")
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ValueError(str(error)) from error
    resized = upright if upright.size == (size, size) else upright.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(resized, dtype=np.uint8)
    return pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))
