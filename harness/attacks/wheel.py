"""Reproducible build of the wheel of hostile unlearners; the host never imports them."""

from __future__ import annotations

import importlib.resources
import zipfile
from collections.abc import Sequence
from pathlib import Path

DISTRIBUTION, VERSION, POINT = "harness-attacks", "1", "attacks"
PACKAGE = "harness_attacks"
FOLDER = "attacks"
OLDEST_TIME = (1980, 1, 1, 0, 0, 0)


def sources() -> dict[str, bytes]:
    """Return the sources of the attacks' modules by file name."""
    folder = importlib.resources.files("harness.sandbox").joinpath(FOLDER)
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(".py")}


def write_wheel(folder: Path, targets: Sequence[str]) -> Path:
    """Write the wheel into ``folder`` and return its path.

    Args:
        folder: existing folder.
        targets: "module:function" each; a model with seed k runs the k-th target.
    """
    info = f"{PACKAGE}-{VERSION}.dist-info"
    lines = "".join(f"    {target!r},\n" for target in targets)
    members = {
        **{f"{PACKAGE}/{name}": source for name, source in sources().items()},
        f"{PACKAGE}/_targets.py": f"TARGETS = (\n{lines})\n".encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: {VERSION}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: harness\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[harness.unlearners]\n{POINT} = {PACKAGE}\n".encode(),
    }
    path = folder / f"{PACKAGE}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(members.items()):
            archive.writestr(zipfile.ZipInfo(name, OLDEST_TIME), content)
    return path
