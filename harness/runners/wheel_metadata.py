"""Parses a wheel's metadata."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.metadata import Metadata

from harness.errors import PluginPackagingError
from harness.reading import foreign
from harness_guest.entry_points import parse

GROUP = "harness.unlearners"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DOTTED = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
VALUE = re.compile(rf"{DOTTED}(\s*:\s*{DOTTED})?")


def parse_metadata(path: Path, text: str) -> Metadata:
    """The METADATA file of the wheel at ``path``.

    Raises:
        PluginPackagingError: a field that is used here is not valid.
    """
    with foreign(f"{path}: its metadata is not valid", PluginPackagingError):
        metadata = Metadata.from_email(text, validate=False)
        # Fields are parsed when they are first asked for.
        _ = (metadata.requires_dist, metadata.requires_python)
        if not metadata.name or not metadata.version:
            raise ValueError("it names no distribution or no version")
    return metadata


def parse_entry_points(path: Path, text: str) -> dict[str, str]:
    """The unlearners that the entry_points.txt of the wheel at ``path`` registers: name -> "module:attribute".

    Raises:
        PluginPackagingError: it is not valid.
    """
    found, faults = parse(text)
    if faults:
        raise PluginPackagingError(f"{path}: {faults[0]}")
    points: dict[str, str] = {}
    for point in found:
        if point.group == GROUP and points.setdefault(point.name, point.value) != point.value:
            raise PluginPackagingError(
                f"{path}: it registers the unlearner {point.name!a} twice, as {points[point.name]!a} and {point.value!a}; "
                "rename one"
            )
    for name, value in points.items():
        if not NAME.fullmatch(name):
            raise PluginPackagingError(
                f"{path}: it registers an unlearner named {name[:80]!a}; a name is 1 to 64 letters, digits and any of ._- "
                "and begins with a letter or digit"
            )
        if not VALUE.fullmatch(value):
            raise PluginPackagingError(
                f"{path}: its unlearner {name} is {value[:80]!a}, which is not of the form package.module or "
                "package.module:attribute"
            )
    return points
