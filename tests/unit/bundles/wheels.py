"""Wheels for tests, written by hand, sound or not."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

INFO = "toy-1.0.dist-info"
SOUND = {
    "toy/__init__.py": "X = 1\n",
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/entry_points.txt": "[harness.unlearners]\ntoy = toy:plugin\n",
    f"{INFO}/RECORD": "",
}


def write_wheel(
    folder: Path, changes: Mapping[str, str | None] | None = None, name: str = "toy-1.0-py3-none-any.whl"
) -> Path:
    """Write a valid wheel with ``changes``: member -> text, or None to omit it."""
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**SOUND, **(changes or {})}.items():
            if text is not None:
                archive.writestr(member, text)
    return path


def metadata(*lines: str) -> dict[str, str]:
    """Return the change that adds ``lines`` to the metadata."""
    return {f"{INFO}/METADATA": SOUND[f"{INFO}/METADATA"] + "".join(f"{line}\n" for line in lines)}


def entry_points(*names: str) -> dict[str, str]:
    """Return the change that registers these unlearners."""
    return {f"{INFO}/entry_points.txt": "[harness.unlearners]\n" + "".join(f"{name} = toy:{name}\n" for name in names)}
