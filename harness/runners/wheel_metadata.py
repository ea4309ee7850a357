"""Parses a wheel's metadata."""

from __future__ import annotations

import configparser
from pathlib import Path

from packaging.metadata import InvalidMetadata, Metadata

from harness.errors import PluginPackagingError

GROUP = "harness.unlearners"


def parse_metadata(path: Path, text: str) -> Metadata:
    """The METADATA file of the wheel at ``path``.

    Raises:
        PluginPackagingError: a field that is used here is not valid.
    """
    try:
        metadata = Metadata.from_email(text, validate=False)
        # Fields are parsed when they are first asked for.
        _ = (metadata.name, metadata.version, metadata.requires_dist, metadata.requires_python)
    except InvalidMetadata as error:
        raise PluginPackagingError(f"{path}: its metadata is not valid: {error}") from None
    return metadata


def parse_entry_points(path: Path, text: str) -> dict[str, str]:
    """The unlearners that the entry_points.txt of the wheel at ``path`` registers: name -> "module:attribute".

    Raises:
        PluginPackagingError: it is not valid.
    """
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise PluginPackagingError(f"{path}: its entry_points.txt is not valid: {error}") from None
    return dict(parser[GROUP]) if parser.has_section(GROUP) else {}
