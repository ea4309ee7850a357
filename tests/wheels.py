"""Wheels with unlearners, written from their sources."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path


def write_wheel(
    folder: Path,
    distribution: str,
    modules: Mapping[str, str],
    points: Mapping[str, str] | None = None,
    **members: str | bytes,
) -> Path:
    """Write version 1.0 of a distribution and return its path.

    Args:
        folder: for the wheel.
        distribution: its name.
        modules: name -> source.
        points: unlearners, name -> value; None for one of each module's name.
        members: further files by name, or others in the place of the wheel's own.
    """
    stem = f"{distribution.replace('-', '_')}-1.0"
    lines = "".join(f"{name} = {value}\n" for name, value in (points or {name: name for name in modules}).items())
    files: dict[str, str | bytes] = {
        **{f"{name}.py": source for name, source in modules.items()},
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/entry_points.txt": f"[harness.unlearners]\n{lines}",
        **members,
    }
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
