"""Packs the deceptive unlearners into a wheel, the same bytes for the same sources."""

from __future__ import annotations

import zipfile
from pathlib import Path

PACKAGE = "deceptive_unlearners"
VERSION = "1"
SOURCES = Path(__file__).parent / "plugins"
OLDEST_TIME = (1980, 1, 1, 0, 0, 0)


def names() -> tuple[str, ...]:
    """Return the unlearners' names."""
    return tuple(sorted(path.stem for path in SOURCES.glob("*.py") if not path.name.startswith("_")))


def write_wheel(folder: Path, name: str) -> Path:
    """Write a wheel that provides one of the unlearners into ``folder``; return its path."""
    info = f"{PACKAGE}-{VERSION}.dist-info"
    members = {f"{PACKAGE}/{path.name}": path.read_text() for path in SOURCES.glob("*.py")} | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: deceptive-unlearners\nVersion: {VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: harness\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[harness.unlearners]\n{name} = {PACKAGE}.{name}\n",
    }
    path = folder / f"{PACKAGE}-{VERSION}-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in sorted(members.items()):
            archive.writestr(zipfile.ZipInfo(member, OLDEST_TIME), content)
    return path
