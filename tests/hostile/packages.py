"""Hostile packages for tests: wheels and source directories that would do something on the host if it let them."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.docker.conftest import HEADER
from tests.wheels import write_wheel

INFO = "hostile_plugin-1.0.dist-info"
WHEEL_NAME = "hostile_plugin-1.0-py3-none-any.whl"
HOOK = f"{HEADER}\n@hookimpl\ndef unlearn(model):\n    pass\n"


def touching(place: Path) -> str:
    """Source that makes a file where it can: inside the sandbox there is no such folder, on the host there is."""
    return f"try:\n    open({str(place)!r}, 'w').close()\nexcept OSError:\n    pass\n"


def write_hostile_wheel(
    folder: Path, modules: Mapping[str, str], *, points: Mapping[str, str] | None = None, **members: str | bytes
) -> Path:
    """Write a wheel with these modules, each an unlearner of the same name; see :func:`tests.wheels.write_wheel`."""
    return write_wheel(folder, "hostile-plugin", modules, points, **members)


def understate(path: Path, member: str, n_bytes: int) -> None:
    """Make the archive say that a member has ``n_bytes`` bytes when it is unpacked, whatever it has."""
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        local = archive.getinfo(member).header_offset
    struct.pack_into("<I", raw, local + 22, n_bytes)
    central = raw.rindex(b"PK\x01\x02", 0, raw.rindex(member.encode()))
    struct.pack_into("<I", raw, central + 24, n_bytes)
    path.write_bytes(raw)
