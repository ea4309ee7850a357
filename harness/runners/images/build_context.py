"""Reproducible tar streams for the image builder: the same files give the same bytes."""

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

from harness.core.cache import cache_error, cache_root
from harness.core.files import write_error
from harness.core.locks import locked
from harness.runners.environment import EPOCH_S
from harness.runners.wheels.wheel import WheelFile


def package_folder(name: str) -> Path:
    """Return the folder of a top-level package, without importing it; works for regular and editable installs."""
    spec = importlib.util.find_spec(name)
    places = [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]
    return next(place for place in places if place.is_dir())


def tree(folder: Path, prefix: str) -> dict[str, Path]:
    """Return the regular files below ``folder`` by their names in a context, without bytecode caches."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    kept = (path for path in files if "__pycache__" not in path.parts and path.suffix != ".pyc")
    return {f"{prefix}/{path.relative_to(folder).as_posix()}": path for path in kept}


def write_context(
    files: Mapping[str, Path | bytes], scratch: Path, wheels: Sequence[Path] = (), prefix: str = ""
) -> IO[bytes]:
    """Write a tar of world-readable files into a temporary file and return it, rewound.

    Args:
        files: name -> host file or content, written in this order.
        scratch: folder for the temporary file, which is deleted when closed.
        wheels: wheels to unpack below ``prefix``; of two files with the same name the later wheel's wins.
        prefix: folder name in the tar.

    Raises:
        PluginPackagingError: if a wheel is invalid.
        NoSpaceError: if the disk is full.
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
    """Return the content of a file shipped for image builds, e.g. a Dockerfile."""
    return importlib.resources.files("harness.sandbox").joinpath(name).read_bytes()


@contextmanager
def building() -> Iterator[None]:
    """Hold the machine-wide build lock, so that concurrent runs do not build the same image twice."""
    root = cache_root()
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(root / "image-build.lock"))
        except OSError as error:
            raise cache_error(root, error) from error
        yield
