"""Builds of source directories. The build code is untrusted, so it runs in a container as locked down as a plugin's."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from harness.core.cache import Cache, file_sha256
from harness.core.interpreter import module_command
from harness.core.reading import foreign
from harness.errors import PluginPackagingError
from harness.runners.bundles.build_program import PROGRAM
from harness.runners.bundles.source_files import source_files
from harness.runners.bundles.source_version import version_variables
from harness.runners.engine.client import Engine
from harness.runners.engine.oneshot import OneshotResult, run_once
from harness.runners.engine.types import ContainerSpec, Progress
from harness.runners.environment import BUILD, EPOCH_S
from harness.runners.images.guest import GuestImage
from harness.runners.images.torch import VENV
from harness.runners.wheels.collection import WheelsUnavailableError, collect, run_pip

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

BUILD_TIMEOUT_S = 300.0
VERSION_SIGNS = ("unable to detect version", "PRETEND_VERSION", "SCM", "Versioning failed")
MAX_WHEEL_BYTES = 256 << 20
DEFAULT_REQUIRES = ("setuptools>=40.8.0",)
"""Build requirements of a directory that declares none (PEP 518)."""


def build_in_sandbox(
    source: Path, engine: Engine, guest: GuestImage, progress: Progress, version: str | None = None
) -> Path:
    """Build a wheel of ``source`` in a container of the guest image, without network; return its path in the cache.

    ``version`` is used if the build derives its version from version control and git finds none.

    Raises:
        PluginPackagingError: if the build fails, exceeds :data:`BUILD_TIMEOUT_S`, or has unavailable build requirements.
    """
    files, variables = dict(source_files(source)), _version_variables(source, version)
    digests = {name: file_sha256(path) for name, path in files.items()}

    def build(folder: Path) -> None:
        progress(f"building a wheel of {source} in the sandbox")
        name, wheel = _run_build(source, files, engine, guest, progress, variables)
        (folder / name).write_bytes(wheel)

    folder, _ = Cache("bundles").get_or_build({"source": digests, "guest": guest.id, **variables}, build)
    return next(folder.glob("*.whl"))


def build_on_host(source: Path, progress: Progress, version: str | None = None) -> Path:
    """Build a wheel of ``source`` with pip on this machine, running its build code; return its path in the cache.

    ``version`` is as in :func:`build_in_sandbox`.

    Raises:
        PluginPackagingError: if the build fails.
    """
    files, variables = dict(source_files(source)), _version_variables(source, version)
    digests = {name: file_sha256(path) for name, path in files.items()}
    command = module_command("pip", "wheel", "--no-deps", "--no-input", "--disable-pip-version-check")

    def build(folder: Path) -> None:
        progress(f"building a wheel of {source}")
        # Built from a copy, because build backends write into their source directory.
        with tempfile.TemporaryDirectory(prefix="harness-build-") as scratch:
            for name, path in files.items():
                _copy(path, Path(scratch, name))
            try:
                run_pip([*command, "--wheel-dir", str(folder), scratch], progress, {**BUILD, **variables})
            except WheelsUnavailableError as error:
                raise PluginPackagingError(
                    f"building a wheel of {source} failed.{_advice(str(error))} pip's output:\n{error}"
                ) from error

    folder, _ = Cache("bundles").get_or_build({"source": digests, "python": sys.version, **variables}, build)
    return next(folder.glob("*.whl"))


def _copy(source: Path, target: Path) -> None:
    """Copy a file with the mode and time that :func:`_tar` gives it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(_mode(source.stat().st_mode))
    os.utime(target, (EPOCH_S, EPOCH_S))


def _mode(mode: int) -> int:
    return 0o755 if mode & 0o100 else 0o644


def build_requirements(source: Path) -> list[Requirement]:
    """Return the build requirements in ``pyproject.toml``.

    Raises:
        PluginPackagingError: if it cannot be parsed.
    """
    path = source / "pyproject.toml"
    with foreign(f"{path} cannot be parsed", PluginPackagingError):
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("build-system", {}) if path.is_file() else {}
        return [Requirement(line) for line in table.get("requires", DEFAULT_REQUIRES)]


def _version_variables(source: Path, version: str | None) -> dict[str, str]:
    return version_variables(
        source, [str(canonicalize_name(item.name)) for item in build_requirements(source)], version
    )


def _advice(output: str) -> str:
    """Return advice if the build failed to derive its version from version control, which is not copied."""
    if not any(sign in output for sign in VERSION_SIGNS):
        return ""
    return (
        " It derives its version from version control, but git or a repository with a commit is missing: set "
        "SETUPTOOLS_SCM_PRETEND_VERSION (or the variable of its build tool), or pass a wheel."
    )


def _tar(files: Mapping[str, Path]) -> bytes:
    """Return a tar of regular files, with owners and times removed."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, dereference=True) as tar:
        for name, path in files.items():
            tar.add(path, arcname=name, recursive=False, filter=_anonymous)
    return stream.getvalue()


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = EPOCH_S  # zip archives cannot represent times before 1980
    info.mode = _mode(info.mode)
    return info


def _run_build(
    source: Path,
    files: Mapping[str, Path],
    engine: Engine,
    guest: GuestImage,
    progress: Progress,
    variables: Mapping[str, str],
) -> tuple[str, bytes]:
    tools = _build_tools(source, guest, progress)
    inputs = {f"tools/{path.name}": path for path in tools} | {f"source/{name}": path for name, path in files.items()}
    spec = ContainerSpec(
        image=guest.id,
        name="harness-build",
        entrypoint=(f"{VENV}/bin/python", "-I", "-c", PROGRAM),
        environment={"HOME": "/tmp/home", "NVIDIA_VISIBLE_DEVICES": "void", **BUILD, **variables},  # noqa: S108
        memory_mib=4096,
        pids=256,
        tmpfs_mib=2048,
        shm_mib=64,
    )
    result = run_once(engine, spec, stdin=_tar(inputs), timeout_s=BUILD_TIMEOUT_S, max_bytes=MAX_WHEEL_BYTES)
    return _built_wheel(source, result)


def _build_tools(source: Path, guest: GuestImage, progress: Progress) -> tuple[Path, ...]:
    """Return wheels of pip and of the build requirements that the guest image does not satisfy."""
    needed = [
        str(item)
        for item in build_requirements(source)
        if (item.marker is None or item.marker.evaluate(guest.target.environment())) and not _has(guest, item)
    ]
    try:
        return collect(["pip", *needed], guest.target, progress=progress).paths
    except WheelsUnavailableError as error:
        raise PluginPackagingError(
            f"pip finds no wheels of {', '.join(needed)}, which {source} needs to be built. pip's output:\n{error}"
        ) from error


def _has(guest: GuestImage, item: Requirement) -> bool:
    version = guest.packages.get(canonicalize_name(item.name))
    return version is not None and item.specifier.contains(version, prereleases=True)


def _built_wheel(source: Path, result: OneshotResult) -> tuple[str, bytes]:
    """Return file name and content of the wheel that the container wrote."""
    if result.timed_out:
        raise PluginPackagingError(f"building {source} timed out after {BUILD_TIMEOUT_S:.0f} s")
    if result.overflowed:
        raise PluginPackagingError(f"the wheel of {source} is bigger than {MAX_WHEEL_BYTES >> 20} MiB")
    head, _, wheel = result.stdout.partition(b"\n")
    if result.exit_code != 0 or not wheel:
        raise PluginPackagingError(
            f"building a wheel of {source} in the sandbox, without network, failed.{_advice(result.stderr)} Output:\n"
            f"{result.stderr}"
        )
    name = head.decode("utf-8", "replace")
    try:
        parse_wheel_filename(name)
    except InvalidWheelFilename as error:
        raise PluginPackagingError(f"building {source} produced an invalid wheel: {error}") from None
    if Path(name).name != name:
        raise PluginPackagingError(f"building {source} produced a wheel with the invalid name {name!r}")
    return name, wheel
