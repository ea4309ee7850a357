"""Parsers for a wheel's METADATA and entry_points.txt."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.metadata import Metadata

from harness.core.reading import foreign
from harness.errors import PluginPackagingError
from harness_guest.entry_points import parse

GROUP = "harness.unlearners"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DOTTED = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
VALUE = re.compile(rf"{DOTTED}(\s*:\s*{DOTTED})?")


def parse_metadata(path: Path, text: str) -> Metadata:
    """Parse the METADATA file of the wheel at ``path``.

    Raises:
        PluginPackagingError: if a required field is missing or invalid.
    """
    with foreign(f"{path}: invalid metadata", PluginPackagingError):
        metadata = Metadata.from_email(text, validate=False)
        # Fields are parsed on first access; access them here so that errors surface.
        _ = (metadata.requires_dist, metadata.requires_python)
        if not metadata.name or not metadata.version:
            raise ValueError("Name or Version is missing")
    return metadata


def parse_entry_points(path: Path, text: str) -> dict[str, str]:
    """Return the unlearners in entry_points.txt of the wheel at ``path``, as name -> "module:attribute".

    Raises:
        PluginPackagingError: if the file is invalid.
    """
    found, faults = parse(text)
    if faults:
        raise PluginPackagingError(f"{path}: {faults[0]}")
    points: dict[str, str] = {}
    for point in found:
        if point.group == GROUP and points.setdefault(point.name, point.value) != point.value:
            raise PluginPackagingError(
                f"{path}: the unlearner {point.name!a} is registered twice, as {points[point.name]!a} and {point.value!a}; "
                "rename one"
            )
    for name, value in points.items():
        if not NAME.fullmatch(name):
            raise PluginPackagingError(
                f"{path}: invalid name {name[:80]!a} of an unlearner; a name has 1 to 64 letters, digits or ._- and begins "
                "with a letter or digit"
            )
        if not VALUE.fullmatch(value):
            raise PluginPackagingError(
                f"{path}: invalid entry point {value[:80]!a} of the unlearner {name}; use package.module or "
                "package.module:attribute"
            )
    return points
