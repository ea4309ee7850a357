"""Repacking of an installed distribution's files into a wheel, without importing it."""

from __future__ import annotations

import csv
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlparse

from harness.core.cache import Cache, file_sha256
from harness.errors import PluginPackagingError
from harness.runners.bundles.packing import PURE, unlearner_metadata, wheel_name, write_wheel
from harness.runners.images.build_context import package_folder, tree

LEFT_OUT = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
BUNDLED_PACKAGE = "harness_unlearners"


def editable_source(distribution: importlib.metadata.Distribution) -> Path | None:
    """Return the source directory of an editable installation; None for a regular one.

    Raises:
        PluginPackagingError: if the directory no longer exists.
    """
    text = distribution.read_text("direct_url.json")
    try:
        record = json.loads(text or "{}")
        editable = bool(record.get("dir_info", {}).get("editable"))
        url = urlparse(str(record.get("url", "")))
    except (ValueError, AttributeError):
        return None
    if not editable:
        return None
    source = Path(unquote(url.path))
    if url.scheme != "file" or not source.is_dir():
        name = distribution.metadata["Name"]
        raise PluginPackagingError(
            f"{_label(distribution)} is installed from {source}, which no longer exists. Reinstall it from its current directory "
            f"(pip install -e DIRECTORY) or remove it (pip uninstall {name})."
        )
    return source


def repack_installed(distribution: importlib.metadata.Distribution) -> Path:
    """Pack the files listed in the distribution's RECORD into a wheel in the cache.

    Raises:
        PluginPackagingError: if there is no RECORD or a listed file is missing.
    """
    if archive := _archive(distribution):
        how = f"--plugin {archive}" if archive.suffix == ".whl" else "--plugin with a wheel or its source directory"
        raise PluginPackagingError(
            f"{_label(distribution)} is in an archive on sys.path, {archive}, which is not an installation. Pass "
            f"{how}, or install it with pip."
        )
    files: dict[str, Path | bytes] = {}
    for entry in _recorded(distribution):
        name = PurePosixPath(entry)
        place = Path(str(distribution.locate_file(entry)))
        if name.is_absolute() or ".." in name.parts or "__pycache__" in name.parts or name.name in LEFT_OUT:
            continue
        if not place.is_file():
            raise PluginPackagingError(f"{_label(distribution)}: its file {name} is missing; reinstall it")
        files[str(name)] = place
    if not any(name.endswith(".dist-info/METADATA") for name in files):
        raise PluginPackagingError(
            f"{_label(distribution)} was installed without a RECORD of its files; install it with pip, or pass "
            "its wheel or source directory"
        )
    return pack(distribution.metadata["Name"], distribution.version, _tag(distribution), files)


def _archive(distribution: importlib.metadata.Distribution) -> Path | None:
    """Return the zip archive that contains the distribution; None if it is in a folder."""
    place = Path(str(distribution.locate_file("")))
    return next((path for path in (place, *place.parents) if path.is_file()), None)


def _recorded(distribution: importlib.metadata.Distribution) -> list[str]:
    """Return the files listed in RECORD; ``Distribution.files`` omits missing files since Python 3.12."""
    text = distribution.read_text("RECORD") or ""
    return [row[0] for row in csv.reader(text.splitlines()) if row]


def pack_bundled(distribution: importlib.metadata.Distribution, entry_points: Mapping[str, str]) -> Path:
    """Pack only the bundled unlearners into a wheel in the cache: host code must not enter the sandbox.

    Args:
        distribution: distribution of the harness.
        entry_points: entry points of the group ``harness.unlearners``, as name -> "module:attribute".
    """
    name, version = "unlearning-harness", distribution.version
    files: dict[str, Path | bytes] = dict(tree(package_folder(BUNDLED_PACKAGE), BUNDLED_PACKAGE))
    return pack(name, version, PURE, {**files, **unlearner_metadata(name, version, entry_points)})


def pack(name: str, version: str, tag: str, files: Mapping[str, Path | bytes]) -> Path:
    """Return the path in the cache of a wheel with these files, by their names in the archive; write it if it is missing."""
    file_name = wheel_name(name, version, tag)
    digests = {key: file_sha256(value) if isinstance(value, Path) else value.hex() for key, value in files.items()}

    def build(folder: Path) -> None:
        write_wheel(folder / file_name, files)

    folder, _ = Cache("bundles").get_or_build({"wheel": file_name, "files": digests}, build)
    return folder / file_name


def _tag(distribution: importlib.metadata.Distribution) -> str:
    """Return the tags in the distribution's WHEEL file, joined as in a wheel's file name."""
    lines = (line.partition(":") for line in (distribution.read_text("WHEEL") or "").splitlines())
    tags = [value.strip().split("-") for key, _, value in lines if key == "Tag" and value.count("-") == 2]
    parts = (dict.fromkeys(part) for part in zip(*tags, strict=True))
    return "-".join(".".join(part) for part in parts) or PURE


def _label(distribution: importlib.metadata.Distribution) -> str:
    return f"{distribution.metadata['Name']} {distribution.version}"
