"""Tar streams for the image builder, the same bytes for the same files."""

from __future__ import annotations

import importlib.resources
import importlib.util
import io
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import IO

from harness.cache import cache_error, cache_root
from harness.files import write_error
from harness.locks import locked
from harness.runners.environment import EPOCH_S
from harness.runners.wheelfile import WheelFile


def package_folder(name: str) -> Path:
    """Where a top-level package's modules lie, found without importing it, however it is installed."""
    spec = importlib.util.find_spec(name)
    places = [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]
    return next(place for place in places if place.is_dir())


def tree(folder: Path, prefix: str) -> dict[str, Path]:
    """The plain files below ``folder`` by their names in a context; compiled files and caches left out."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    kept = (path for path in files if "__pycache__" not in path.parts and path.suffix != ".pyc")
    return {f"{prefix}/{path.relative_to(folder).as_posix()}": path for path in kept}


def write_context(
    files: Mapping[str, Path | bytes], scratch: Path, wheels: Sequence[Path] = (), prefix: str = ""
) -> IO[bytes]:
    """A temporary file, rewound, with a tar that every user can read.

    Args:
        files: name -> host file or content, in this order.
        scratch: folder for the temporary file, which vanishes when closed.
        wheels: unpacked into the tar below ``prefix``; of two files of one name the later wheel's counts.
        prefix: a folder's name.

    Raises:
        PluginPackagingError: a wheel is not sound.
        NoSpaceError: the disk is full.
    """
    stream = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  (the caller closes it)
    try:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, source in files.items():
                _add(tar, name, source)
            for content in chain.from_iterable(WheelFile.read(path).contents() for path in wheels):
                tar.addfile(_entry(f"{prefix}/{content.name}", content.size, content.mode), content.file)
    except OSError as error:
        stream.close()
        raise write_error(scratch, error) from error
    stream.seek(0)
    return stream


def _add(tar: tarfile.TarFile, name: str, source: Path | bytes) -> None:
    if isinstance(source, bytes):
        tar.addfile(_entry(name, len(source)), io.BytesIO(source))
        return
    with source.open("rb") as file:
        tar.addfile(_entry(name, source.stat().st_size), file)


def _entry(name: str, size: int, mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, mode, EPOCH_S
    return info


def sandbox_file(name: str) -> bytes:
    """A file that is shipped for image builds, a Dockerfile say."""
    return importlib.resources.files("harness.sandbox").joinpath(name).read_bytes()


@contextmanager
def building() -> Iterator[None]:
    """One build at a time on this machine: two of the same image would do the work twice."""
    root = cache_root()
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(root / "image-build.lock"))
        except OSError as error:
            raise cache_error(root, error) from error
        yield
