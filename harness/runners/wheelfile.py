"""Reads and unpacks wheels that a stranger made, without trusting anything in them and without running any of it."""

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

from harness.errors import PluginPackagingError
from harness.reading import foreign, reason
from harness.runners.target import PythonTarget
from harness.runners.wheel_metadata import parse_entry_points, parse_metadata

MAX_MEMBERS = 50_000
MAX_UNPACKED_BYTES = 8 << 30
MAX_METADATA_BYTES = 4 << 20
MAX_NAME_BYTES = 255  # of one part of a path: what file systems take


@dataclass(frozen=True)
class Content:
    """One file of a wheel.

    Attributes:
        name: where it belongs, relative to the folder of modules.
        size: in bytes.
        executable: the wheel marks it as a program.
        file: its bytes, to be read before the next content is asked for; PluginPackagingError where the archive is damaged.
    """

    name: str
    size: int
    executable: bool
    file: io.RawIOBase

    @property
    def mode(self) -> int:
        """Permissions: everybody reads, the owner writes."""
        return 0o755 if self.executable else 0o644


@dataclass(frozen=True)
class WheelFile:
    """What a wheel says about itself.

    Attributes:
        path: of the file.
        name: canonical distribution name.
        version: of the distribution, as in its metadata.
        tags: Pythons and platforms it is for.
        requirements: all of ``Requires-Dist``, markers unevaluated.
        requires_python: None when it does not say.
        entry_points: of group ``harness.unlearners``: name -> "module:attribute".
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
            PluginPackagingError: not a sound wheel; the message says why.
        """
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except Exception as error:  # of packaging and its versions, several
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
        """The requirements that hold for ``target``, without extras."""
        environment = target.environment()
        with foreign(f"{self.path}: a marker of its requirements cannot be evaluated", PluginPackagingError):
            return [item for item in self.requirements if item.marker is None or item.marker.evaluate(environment)]

    def check_fits(self, target: PythonTarget) -> None:
        """Refuse a wheel that is for another Python or platform.

        Raises:
            PluginPackagingError: it does not run on ``target``.
        """
        if self.tags.isdisjoint(target.tags()):
            raise PluginPackagingError(
                f"{self.path.name} is not for the sandbox's Python {target.python} on {target.machine}; "
                "build it for that, or give another image with `--base`"
            )
        if self.requires_python is not None and not self.requires_python.contains(target.python, prereleases=True):
            raise PluginPackagingError(
                f"{self.name} {self.version} needs Python {self.requires_python}, the sandbox has {target.python}"
            )

    def files(self) -> dict[str, str]:
        """SHA-256 in hex per file, but for RECORD, which says the same."""
        with _opened(self.path) as archive:
            members = _checked_members(self.path, archive)
            wanted = {name: info for name, info in members.items() if not name.endswith(".dist-info/RECORD")}
            return {name: _digest(self.path, archive, info) for name, info in sorted(wanted.items())}

    def contents(self) -> Iterator[Content]:
        """The wheel's modules and metadata one by one, without its scripts, headers and data files.

        Raises:
            PluginPackagingError: the archive is damaged.
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
        """Write :meth:`contents` into the folder ``target``. What is there of the same name is written over, as by pip.

        Raises:
            PluginPackagingError: the archive is damaged.
            OSError: the disk is full.
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
                    raise  # whoever keeps the folder knows what to do about its disk
                raise PluginPackagingError(f"{self.path}: {content.name} cannot be unpacked: {error}") from None


class _Member(io.RawIOBase):
    """A file of an archive that raises PluginPackagingError for whatever is wrong with it."""

    def __init__(self, file: IO[bytes], path: Path, info: zipfile.ZipInfo) -> None:
        self._file, self._path, self._info = file, path, info

    def read(self, size: int = -1, /) -> bytes:
        """Read at most ``size`` bytes, all that is left if negative."""
        with _readable(self._path, self._info):
            return self._file.read(size)


def _opened(path: Path) -> zipfile.ZipFile:
    with foreign(f"{path} cannot be read as a wheel", PluginPackagingError):
        return zipfile.ZipFile(path)


def _checked_members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by name, all of them plain files at sound places and of sane size together."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        pure = PurePosixPath(info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if pure.is_absolute() or ".." in pure.parts or "\\" in info.filename or "\0" in info.orig_filename:
            raise PluginPackagingError(f"{path}: a file in it would be written outside its folder: {info.filename!r}")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise PluginPackagingError(f"{path}: {info.filename!r} is not a plain file")
        if info.is_dir():
            continue
        if str(pure) in members:
            raise PluginPackagingError(f"{path}: {info.filename!r} is in it twice")
        if not info.filename.isprintable() or any(len(part.encode()) > MAX_NAME_BYTES for part in pure.parts):
            raise PluginPackagingError(f"{path}: a file in it has a name that no file should have: {pure.name[:80]!a}")
        members[str(pure)] = info
    if clash := next((name for name in members for over in PurePosixPath(name).parents if str(over) in members), None):
        raise PluginPackagingError(f"{path}: {clash!r} lies in a folder that is a file, too")
    unpacked = sum(info.file_size for info in members.values())
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED_BYTES:
        raise PluginPackagingError(
            f"{path}: {len(members)} files of {unpacked} bytes together are more than a plugin may have"
        )
    return members


def _dist_info(path: Path, members: dict[str, zipfile.ZipInfo], name: str, version: Version) -> str:
    """Name of the one ``.dist-info`` folder that belongs to the file's name."""
    folders = {PurePosixPath(member).parts[0] for member in members if ".dist-info/" in member}
    for folder in folders:
        stem, _, folder_version = folder.removesuffix(".dist-info").rpartition("-")
        if f"{folder}/METADATA" in members and canonicalize_name(stem) == name and folder_version:
            return folder
    raise PluginPackagingError(f"{path}: it has no metadata for {name} {version}")


def _text(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> str:
    if info.file_size > MAX_METADATA_BYTES:
        raise PluginPackagingError(f"{path}: {info.filename} has {info.file_size} bytes")
    with _readable(path, info):
        raw = archive.read(info)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PluginPackagingError(f"{path}: {info.filename} is not UTF-8: {error}") from None


def _installed_name(name: str) -> str | None:
    """Where a member belongs below the plugin's folder; None when it is left out."""
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
        raise PluginPackagingError(f"{path}: {info.filename} has {n_bytes} bytes, not {info.file_size} as it says")
    return sha.hexdigest()
