"""Tiny datasets on disk, in the formats of the real ones."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Return an array as an IDX file of unsigned bytes."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def write_fashion_mnist(folder: Path, *, train: int = 40, test: int = 20, gzipped: bool = True) -> None:
    """Four IDX files with random pictures and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for stem, count in (("train", train), ("t10k", test)):
        arrays = {
            f"{stem}-images-idx3-ubyte": rng.integers(0, 256, (count, 28, 28), dtype=np.uint8),
            f"{stem}-labels-idx1-ubyte": rng.integers(0, 10, count, dtype=np.uint8),
        }
        for name, array in arrays.items():
            data = idx_bytes(array)
            if gzipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)


def write_cifar10(folder: Path, *, rows: int = 12) -> NDArray[np.uint8]:
    """Write the six files of the binary version, ``rows`` examples each; return all rows, shape (6 * rows, 3073)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, (6 * rows, 3073), dtype=np.uint8)
    table[:, 0] %= 10
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    for part, name in enumerate(names):
        table[part * rows : (part + 1) * rows].tofile(folder / name)
    return table


def write_pictures(folder: Path, count: int = 24, *, side: int = 8, colours: bool = True) -> str:
    """PNG files of single colours in two folders, and the CSV (as text) that lists them with labels and subjects."""
    from PIL import Image

    rows = ["file,label,subject"]
    for index in range(count):
        name = f"{'ab'[index % 2]}/{index:02d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        colour = (index, 2 * index, 200) if colours else (7, 7, 7)
        Image.new("RGB", (side, side), colour).save(folder / name)
        rows.append(f"{name},{['cat', 'dog', 'owl'][index % 3]},person {index // 4}")
    return "\n".join(rows) + "\n"
