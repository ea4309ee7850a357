"""Reading and unpacking of untrusted wheels. Nothing in a wheel is trusted or executed."""

from __future__ import annotations

import errno
import hashlib
import io
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from harness.core.reading import foreign, reason
from harness.errors import PluginPackagingError
from harness.runners.wheels.metadata import parse_entry_points, parse_metadata
from harness.runners.wheels.target import PythonTarget

MAX_MEMBERS = 50_000
MAX_UNPACKED_BYTES = 8 << 30
MAX_METADATA_BYTES = 4 << 20
MAX_NAME_BYTES = 255  # of one path component, the limit of common file systems


@dataclass(frozen=True)
class Content:
    """A file of a wheel.

    Attributes:
        name: installation path, relative to site-packages.
        size: size in bytes.
        executable: the wheel marks the file as executable.
        file: content; read it before advancing the iterator. Reading raises PluginPackagingError if the archive is damaged.
    """

    name: str
    size: int
    executable: bool
    file: io.RawIOBase

    @property
    def mode(self) -> int:
        """Return the permissions: world-readable, writable by the owner."""
        return 0o755 if self.executable else 0o644


@dataclass(frozen=True)
class WheelFile:
    """A wheel's metadata.

    Attributes:
        path: path of the file.
        name: canonical distribution name.
        version: version in the metadata.
        tags: compatibility tags.
        requirements: all ``Requires-Dist`` entries, markers unevaluated.
        requires_python: ``Requires-Python``; None if absent.
        entry_points: entry points of the group ``harness.unlearners``, as name -> "module:attribute".
    """

    path: Path
    name: str
    version: str
    tags: frozenset[Tag]
    requirements: tuple[Requirement, ...]
    requires_python: SpecifierSet | None
    entry_points: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> WheelFile:
        """Read file name, member names, metadata and entry points.

        Raises:
            PluginPackagingError: if the wheel is invalid; the message has the reason.
        """
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except Exception as error:  # packaging raises several types, depending on its version
            raise PluginPackagingError(
                f"{path}: {reason(error)}. A wheel is named NAME-VERSION-PYTHON-ABI-PLATFORM.whl"
            ) from None
        with _opened(path) as archive:
            members = _checked_members(path, archive)
            info = _dist_info(path, members, str(name), version)
            metadata = parse_metadata(path, _text(archive, members[f"{info}/METADATA"], path))
            entries = members.get(f"{info}/entry_points.txt")
            entry_points = {} if entries is None else parse_entry_points(path, _text(archive, entries, path))
        if canonicalize_name(metadata.name) != name or metadata.version != version:
            raise PluginPackagingError(
                f"{path}: the file name and the metadata ({metadata.name} {metadata.version}) disagree"
            )
        return cls(
            path=path,
            name=str(name),
            version=str(metadata.version),
            tags=frozenset(tags),
            requirements=tuple(metadata.requires_dist or ()),
            requires_python=metadata.requires_python,
            entry_points=entry_points,
        )

    def requires(self, target: PythonTarget) -> list[Requirement]:
        """Return the requirements that apply to ``target``, without extras."""
        environment = target.environment()
        with foreign(f"{self.path}: a marker of its requirements cannot be evaluated", PluginPackagingError):
            return [item for item in self.requirements if item.marker is None or item.marker.evaluate(environment)]

    def check_fits(self, target: PythonTarget) -> None:
        """Check that the wheel is compatible with ``target``.

        Raises:
            PluginPackagingError: if it is for another Python or platform.
        """
        if self.tags.isdisjoint(target.tags()):
            raise PluginPackagingError(
                f"{self.path.name} is not compatible with the sandbox's Python {target.python} on {target.machine}; "
                "build it for that, or choose another image with `--base`"
            )
        if self.requires_python is not None and not self.requires_python.contains(target.python, prereleases=True):
            raise PluginPackagingError(
                f"{self.name} {self.version} requires Python {self.requires_python}; the sandbox has {target.python}"
            )

    def files(self) -> dict[str, str]:
        """Return the SHA-256 hex digest of each file, except RECORD, which is redundant."""
        with _opened(self.path) as archive:
            members = _checked_members(self.path, archive)
            wanted = {name: info for name, info in members.items() if not name.endswith(".dist-info/RECORD")}
            return {name: _digest(self.path, archive, info) for name, info in sorted(wanted.items())}

    def contents(self) -> Iterator[Content]:
        """Yield the wheel's modules and metadata, without scripts, headers and data files.

        Raises:
            PluginPackagingError: if the archive is damaged.
        """
        with _opened(self.path) as archive:
            for name, info in _checked_members(self.path, archive).items():
                place = _installed_name(name)
                if place is not None:
                    with _readable(self.path, info):
                        file = archive.open(info)
                    with file:
                        yield Content(
                            place,
                            info.file_size,
                            bool(info.external_attr >> 16 & 0o100),
                            _Member(file, self.path, info),
                        )

    def unpack(self, target: Path) -> None:
        """Write :meth:`contents` into the folder ``target``, overwriting existing files, as pip does.

        Raises:
            PluginPackagingError: if the archive is damaged.
            OSError: if the disk is full.
        """
        for content in self.contents():
            place = target / content.name
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("wb") as file:
                    shutil.copyfileobj(content.file, file)
                place.chmod(content.mode)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise  # the caller adds advice about its disk
                raise PluginPackagingError(f"{self.path}: {content.name} cannot be unpacked: {error}") from None


class _Member(io.RawIOBase):
    """A file of an archive; all read errors are raised as PluginPackagingError."""

    def __init__(self, file: IO[bytes], path: Path, info: zipfile.ZipInfo) -> None:
        self._file, self._path, self._info = file, path, info

    def read(self, size: int = -1, /) -> bytes:
        """Read at most ``size`` bytes, or all remaining ones if negative."""
        with _readable(self._path, self._info):
            return self._file.read(size)


def _opened(path: Path) -> zipfile.ZipFile:
    with foreign(f"{path} cannot be read as a wheel", PluginPackagingError):
        return zipfile.ZipFile(path)


def _checked_members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's files by name, after checking paths, file types, names and total size."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        pure = PurePosixPath(info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if pure.is_absolute() or ".." in pure.parts or "\\" in info.filename or "\0" in info.orig_filename:
            raise PluginPackagingError(f"{path}: {info.filename!r} would be written outside the target folder")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise PluginPackagingError(f"{path}: {info.filename!r} is not a regular file")
        if info.is_dir():
            continue
        if str(pure) in members:
            raise PluginPackagingError(f"{path}: {info.filename!r} occurs twice")
        if not info.filename.isprintable() or any(len(part.encode()) > MAX_NAME_BYTES for part in pure.parts):
            raise PluginPackagingError(f"{path}: a file name is not printable or too long: {pure.name[:80]!a}")
        members[str(pure)] = info
    if clash := next((name for name in members for over in PurePosixPath(name).parents if str(over) in members), None):
        raise PluginPackagingError(f"{path}: a parent folder of {clash!r} is also a file")
    unpacked = sum(info.file_size for info in members.values())
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED_BYTES:
        raise PluginPackagingError(
            f"{path}: {len(members)} files with {unpacked} bytes in total exceed the limits for a plugin "
            f"({MAX_MEMBERS} files, {MAX_UNPACKED_BYTES} bytes)"
        )
    return members


def _dist_info(path: Path, members: dict[str, zipfile.ZipInfo], name: str, version: Version) -> str:
    """Return the name of the ``.dist-info`` folder that matches the wheel's file name."""
    folders = {PurePosixPath(member).parts[0] for member in members if ".dist-info/" in member}
    for folder in folders:
        stem, _, folder_version = folder.removesuffix(".dist-info").rpartition("-")
        if f"{folder}/METADATA" in members and canonicalize_name(stem) == name and folder_version:
            return folder
    raise PluginPackagingError(f"{path}: there is no METADATA for {name} {version}")


def _text(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> str:
    if info.file_size > MAX_METADATA_BYTES:
        raise PluginPackagingError(
            f"{path}: {info.filename} has {info.file_size} bytes; the limit is {MAX_METADATA_BYTES}"
        )
    with _readable(path, info):
        raw = archive.read(info)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PluginPackagingError(f"{path}: {info.filename} is not UTF-8: {error}") from None


def _installed_name(name: str) -> str | None:
    """Return a member's path below the plugin's folder; None if it is not installed."""
    first, _, rest = name.partition("/")
    if not first.endswith(".data"):
        return name
    scheme, _, rest = rest.partition("/")
    return rest if scheme in {"purelib", "platlib"} and rest else None


@contextmanager
def _readable(path: Path, info: zipfile.ZipInfo) -> Iterator[None]:
    with foreign(f"{path}: {info.filename} cannot be read", PluginPackagingError):
        yield


def _digest(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    sha, n_bytes = hashlib.sha256(), 0
    with _readable(path, info), archive.open(info) as file:
        while chunk := file.read(1 << 20):
            sha.update(chunk)
            n_bytes += len(chunk)
    if n_bytes != info.file_size:
        raise PluginPackagingError(
            f"{path}: {info.filename} has {n_bytes} bytes, but the archive lists {info.file_size}"
        )
    return sha.hexdigest()
