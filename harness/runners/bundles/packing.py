"""Write wheels: the same bytes for the same files, on every machine."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

OLDEST_TIME = (1980, 1, 1, 0, 0, 0)
PURE = "py3-none-any"


def wheel_name(distribution: str, version: str, tag: str = PURE) -> str:
    """Return the file name of a wheel."""
    return f"{_stem(distribution, version)}-{tag}.whl"


def unlearner_metadata(
    distribution: str, version: str, unlearners: Mapping[str, str], requires: Sequence[str] = ()
) -> dict[str, bytes]:
    """Return the metadata files of a wheel of pure Python that provides unlearners, by their names in the archive.

    Args:
        distribution, version: of the wheel.
        unlearners: entry points, name -> "module:attribute".
        requires: its dependencies.
    """
    info = f"{_stem(distribution, version)}.dist-info"
    points = "".join(f"{name} = {value}\n" for name, value in sorted(unlearners.items()))
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    texts = {
        "METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{needs}",
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: unlearning-harness\nRoot-Is-Purelib: true\nTag: {PURE}\n",
        "entry_points.txt": f"[harness.unlearners]\n{points}",
    }
    return {f"{info}/{name}": text.encode() for name, text in texts.items()}


def write_wheel(path: Path, files: Mapping[str, Path | bytes]) -> Path:
    """Write a wheel with these files, by their names in the archive, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, OLDEST_TIME)
            info.external_attr = 0o100644 << 16
            archive.writestr(info, content.read_bytes() if isinstance(content, Path) else content)
    return path


def _stem(distribution: str, version: str) -> str:
    return f"{canonicalize_name(distribution).replace('-', '_')}-{version.replace('-', '_')}"
