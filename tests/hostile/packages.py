"""Hostile packages for tests: wheels and source directories that would do something on the host if it let them."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from tests.docker.conftest import HEADER, SPEC

INFO = "hostile_plugin-1.0.dist-info"
WHEEL_NAME = "hostile_plugin-1.0-py3-none-any.whl"
HOOK = f"{HEADER}\n@hookimpl\ndef unlearn(model):\n    pass\n"


def touching(place: Path) -> str:
    """Source that makes a file where it can: inside the sandbox there is no such folder, on the host there is."""
    return f"try:\n    open({str(place)!r}, 'w').close()\nexcept OSError:\n    pass\n"


def write_hostile_wheel(
    folder: Path, modules: Mapping[str, str], *, points: Mapping[str, str] | None = None, **members: str | bytes
) -> Path:
    """Write a wheel with these modules, each an unlearner of the same name.

    Args:
        folder: for the wheel.
        modules: name -> source.
        points: entry points, name -> value; None: one for every module.
        members: further files by name, or others in the place of the wheel's own.
    """
    lines = "".join(f"{name} = {value}\n" for name, value in (points or {name: name for name in modules}).items())
    files: dict[str, str | bytes] = {
        **{f"{name}.py": source for name, source in modules.items()},
        f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: hostile-plugin\nVersion: 1.0\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{INFO}/entry_points.txt": f"[harness.unlearners]\n{lines}",
        **members,
    }
    path = folder / WHEEL_NAME
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def understate(path: Path, member: str, n_bytes: int) -> None:
    """Make the archive say that a member has ``n_bytes`` bytes when it is unpacked, whatever it has."""
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        local = archive.getinfo(member).header_offset
    struct.pack_into("<I", raw, local + 22, n_bytes)
    central = raw.rindex(b"PK\x01\x02", 0, raw.rindex(member.encode()))
    struct.pack_into("<I", raw, central + 24, n_bytes)
    path.write_bytes(raw)


def write_data(path: Path) -> Path:
    """Three splits of random pictures."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split in ("retain", "forget", "validation"):
        arrays[f"{split}.images"] = random.integers(0, 256, (32, 1, *SPEC.image_size), dtype=np.uint8)
        arrays[f"{split}.labels"] = random.integers(0, SPEC.n_classes, 32)
    save_file(arrays, path)
    return path
