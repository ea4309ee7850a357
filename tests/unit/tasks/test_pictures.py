"""Which pictures are read, and as what; everything that would need a choice is refused with its file and line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from harness.errors import DatasetInvalidError
from harness.tasks.datasets.image_folder import image_folder_examples
from harness.tasks.datasets.pictures import FORMATS, MODES, read_picture

PAGE = (Path(__file__).parents[3] / "docs/reference/tasks.md").read_text(encoding="utf-8")
SIDE = 8
RAMP = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
COLOUR = np.stack([RAMP, 2 * RAMP, 255 - RAMP], axis=-1).astype(np.uint8)


def with_alpha(opaque: bool) -> Image.Image:
    alpha = np.full((SIDE, SIDE, 1), 255, np.uint8)
    alpha[0, 0] = 255 if opaque else 254
    return Image.fromarray(np.concatenate([COLOUR, alpha], axis=-1))


def grey_alpha(opaque: bool) -> Image.Image:
    alpha = np.full((SIDE, SIDE), 255, np.uint8)
    alpha[0, 0] = 255 if opaque else 0
    return Image.merge("LA", [Image.fromarray(RAMP.astype(np.uint8)), Image.fromarray(alpha)])


def palette() -> Image.Image:
    picture = Image.fromarray(RAMP.astype(np.uint8)).copy()
    picture.putpalette([value for index in range(256) for value in (index, 2 * index % 256, 255 - index)])
    return picture


def saved(picture: Image.Image, path: Path, **options: Any) -> Path:
    picture.save(path, **options)
    return path


GREY3 = np.repeat(RAMP[..., None], 3, axis=-1)
BITS = (RAMP % 2 * 255).astype(np.uint8)
READ: dict[str, tuple[Callable[[Path], Path], Any]] = {
    "1": (lambda at: saved(Image.fromarray(BITS).convert("1"), at / "x.png"), np.repeat(BITS[..., None], 3, axis=-1)),
    "L": (lambda at: saved(Image.fromarray(RAMP.astype(np.uint8)), at / "x.tif"), GREY3),
    "L, two bits": (
        lambda at: saved(Image.fromarray(BITS), at / "x.png", bits=2),
        np.repeat(BITS[..., None], 3, axis=-1),
    ),
    "LA": (lambda at: saved(grey_alpha(True), at / "x.png"), GREY3),
    "P": (lambda at: saved(palette(), at / "x.png"), COLOUR),
    "P of a GIF": (lambda at: saved(palette(), at / "x.gif"), COLOUR),
    "P with an unused transparent colour": (lambda at: saved(palette(), at / "x.png", transparency=200), COLOUR),
    "RGB": (lambda at: saved(Image.fromarray(COLOUR), at / "x.ppm"), COLOUR),
    "RGB of a BMP": (lambda at: saved(Image.fromarray(COLOUR), at / "x.bmp"), COLOUR),
    "RGBA": (lambda at: saved(with_alpha(True), at / "x.png"), COLOUR),
    "RGBA of a WEBP": (lambda at: saved(with_alpha(True), at / "x.webp", lossless=True), COLOUR),
}


@pytest.mark.parametrize("case", READ)
def test_the_numbers_of_a_picture_are_taken_as_they_stand(case: str, tmp_path: Path) -> None:
    make, expected = READ[case]

    found = read_picture(make(tmp_path), size=SIDE, grey=False)

    assert found.tolist() == expected.transpose(2, 0, 1).tolist()


def test_the_alpha_of_a_turned_picture_does_not_hide_how_it_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3

    found = read_picture(saved(with_alpha(True), tmp_path / "x.tif", exif=exif), size=SIDE, grey=False)

    assert found.tolist() == COLOUR[::-1, ::-1].transpose(2, 0, 1).tolist()


def sixteen(path: Path) -> Path:
    return saved(Image.fromarray((RAMP * 900).astype(np.uint16)), path)


def deep_colour(at: Path) -> Path:
    """Write a PNG with 16 bits per channel, which Pillow opens with 8."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + (row.astype(">u2") * 257 + 3).tobytes() for row in COLOUR)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (at / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return at / "x.png"


def tagged(at: Path, tag: int, value: Any) -> Path:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[tag] = value
    return saved(Image.fromarray(RAMP.astype(np.uint8)), at / "x.tif", tiffinfo=tags)


def ppm(at: Path, maximum: int) -> Path:
    (at / "x.ppm").write_bytes(f"P6 2 1 {maximum} ".encode() + bytes(12 if maximum > 255 else 6))
    return at / "x.ppm"


def frames(path: Path) -> Path:
    return saved(palette(), path, save_all=True, append_images=[palette().rotate(90)])


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "16 bits of grey": (lambda at: sixteen(at / "x.png"), "16 bits per channel"),
    "16 bits of grey in a TIFF": (lambda at: sixteen(at / "x.tif"), "16 bits per channel"),
    "16 bits of colour": (deep_colour, "16 bits per channel"),
    "16 bits of a PPM": (lambda at: ppm(at, 65535), "16 bits per channel"),
    "10 bits of a PPM": (lambda at: ppm(at, 1023), "16 bits per channel"),
    "a PPM that is spread": (lambda at: ppm(at, 100), "its maximum value is 100"),
    "a point": (
        lambda at: saved(Image.fromarray((RAMP / 64).astype(np.float32)), at / "x.tif"),
        "32 bits.*signed or float",
    ),
    "a sign": (lambda at: tagged(at, 339, 2), "signed or floating-point"),
    "transparent": (lambda at: saved(with_alpha(False), at / "x.png"), "transparent"),
    "transparent in a WEBP": (lambda at: saved(with_alpha(False), at / "x.webp", lossless=True), "transparent"),
    "transparent grey": (
        lambda at: saved(grey_alpha(False), at / "x.png"),
        "a share of 0.016 of its pixels is transparent",
    ),
    "a transparent index": (lambda at: saved(palette(), at / "x.png", transparency=5), "transparent"),
    "transparent indices": (lambda at: saved(palette(), at / "x.png", transparency=bytes(range(64))), "transparent"),
    "a transparent colour": (
        lambda at: saved(Image.fromarray(COLOUR), at / "x.png", transparency=(5, 10, 250)),
        "transparent",
    ),
    "CMYK": (lambda at: saved(Image.fromarray(COLOUR).convert("CMYK"), at / "x.jpg"), "mode is CMYK"),
    "YCbCr": (lambda at: saved(Image.fromarray(COLOUR).convert("YCbCr"), at / "x.tif"), "mode is YCbCr"),
    "frames of a GIF": (lambda at: frames(at / "x.gif"), "has 2 frames"),
    "frames of a PNG": (lambda at: frames(at / "x.png"), "has 2 frames"),
    "frames of a WEBP": (lambda at: frames(at / "x.webp"), "has 2 frames"),
    "pages": (lambda at: frames(at / "x.tif"), "has 2 frames"),
    "MPO": (lambda at: _mpo(at), "format is MPO.*has 2 frames"),
    "32 bits of a BMP": (lambda at: saved(with_alpha(False), at / "x.bmp"), "BMP with 16 or 32 bits"),
    "another format": (lambda at: saved(Image.fromarray(COLOUR), at / "x.tga"), "format is TGA"),
}


def _mpo(at: Path) -> Path:
    picture = Image.fromarray(COLOUR)
    return saved(picture, at / "x.mpo", save_all=True, append_images=[picture])


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_need_a_conversion_is_refused_with_file_and_line(case: str, tmp_path: Path) -> None:
    make, words = REFUSED[case]
    name = make(tmp_path).name
    Image.fromarray(COLOUR).save(tmp_path / "good.png")
    labels = tmp_path / "labels.csv"
    labels.write_text(f"file,label\ngood.png,cat\n{name},dog\n")

    with pytest.raises(DatasetInvalidError, match=f"labels.csv, line 3: '{name}' is not supported: .*{words}"):
        image_folder_examples(tmp_path, labels, size=SIDE)


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    sixteen(tmp_path / "deep.png")
    frames(tmp_path / "moving.gif")
    saved(with_alpha(False), tmp_path / "clear.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\ndeep.png,a\nmoving.gif,\nclear.png,b\nbroken.png,a\nnone.png,a\n../x.png,b\n")

    with pytest.raises(DatasetInvalidError) as caught:
        image_folder_examples(tmp_path, labels, size=SIDE)

    text = str(caught.value)
    assert "labels.csv has 7 faults:" in text
    assert re.findall(r"^  line (\d+)", text, re.MULTILINE) == ["2", "3", "3", "4", "5", "6", "7"]


def test_a_message_stays_readable_if_everything_is_wrong(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\n" + "".join(f"{number}.png,{number % 2}\n" for number in range(500)))

    with pytest.raises(DatasetInvalidError, match=r"has 500 faults:(.|\n)*and 480 more") as caught:
        image_folder_examples(tmp_path, labels, size=SIDE)

    assert len(str(caught.value).splitlines()) == 22


def test_the_table_on_the_page_is_the_programs() -> None:
    part = PAGE.split("\n#### Pictures\n", 1)[1].split("\n#", 1)[0]
    sentence = part.split(" files are read", 1)[0].strip()

    assert sentence.replace(" and ", ", ").split(", ") == list(FORMATS)
    assert dict(re.findall(r"^\| `(\w+)` ([a-z ]+) \|", part, re.MULTILINE)) == MODES
