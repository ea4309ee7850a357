"""Makes a wheel of a source directory. Its build code is a stranger's, so it runs in a container as locked as a plugin's."""

from __future__ import annotations

import inspect
import io
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from harness.bundles.build_program import PROGRAM
from harness.bundles.source_files import source_files
from harness.bundles.source_version import version_variables
from harness.cache import Cache, file_sha256
from harness.errors import PluginPackagingError
from harness.reading import foreign
from harness.runners.engine import Engine
from harness.runners.engine_types import ContainerSpec, Progress
from harness.runners.environment import BUILD, EPOCH_S
from harness.runners.guest_image import GuestImage
from harness.runners.oneshot import OneshotResult, run_once
from harness.runners.torch_image import VENV
from harness.runners.wheels import WheelsUnavailableError, collect, run_pip

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

BUILD_TIMEOUT_S = 300.0
VERSION_SIGNS = ("unable to detect version", "PRETEND_VERSION", "SCM", "Versioning failed")
MAX_WHEEL_BYTES = 256 << 20
DEFAULT_REQUIRES = ("setuptools>=40.8.0",)
"""What PEP 518 says for a directory that does not name its build requirements."""


def build_in_sandbox(
    source: Path, engine: Engine, guest: GuestImage, progress: Progress, version: str | None = None
) -> Path:
    """A wheel of ``source`` in the cache, built without network in a container of the guest image.

    ``version`` is handed to a build that would take one from version control, where git says none.

    Raises:
        PluginPackagingError: the build fails, takes more than :data:`BUILD_TIMEOUT_S` seconds, or needs what cannot be had.
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
    """A wheel of ``source`` in the cache, built by pip on this machine: the directory's build code runs here.

    ``version`` as for :func:`build_in_sandbox`.

    Raises:
        PluginPackagingError: the build fails.
    """
    digests = {name: file_sha256(path) for name, path in source_files(source)}
    variables = _version_variables(source, version)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-input", "--disable-pip-version-check"]

    def build(folder: Path) -> None:
        progress(f"building a wheel of {source}")
        # A copy, for build backends write into their source directory.
        with tempfile.TemporaryDirectory(prefix="harness-build-") as scratch:
            with tarfile.open(fileobj=io.BytesIO(_tar(dict(source_files(source)))), mode="r") as tar:
                _extract(tar, scratch)
            try:
                run_pip([*command, "--wheel-dir", str(folder), scratch], progress, {**BUILD, **variables})
            except WheelsUnavailableError as error:
                raise PluginPackagingError(
                    f"no wheel could be built of {source}.{_advice(str(error))} pip said:\n{error}"
                ) from error

    folder, _ = Cache("bundles").get_or_build({"source": digests, "python": sys.version, **variables}, build)
    return next(folder.glob("*.whl"))


def _extract(tar: tarfile.TarFile, folder: str) -> None:
    """Unpack a tar of ours; Python 3.10.12 and 3.11.4 are the first that take a filter, and later ones ask for it."""
    if "filter" in inspect.signature(tar.extractall).parameters:
        tar.extractall(folder, filter="tar")
    else:
        tar.extractall(folder)  # noqa: S202 -- its names are relative and without ".."


def build_requirements(source: Path) -> list[Requirement]:
    """What ``pyproject.toml`` says is needed to build.

    Raises:
        PluginPackagingError: it cannot be read.
    """
    path = source / "pyproject.toml"
    with foreign(f"{path} cannot be read", PluginPackagingError):
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("build-system", {}) if path.is_file() else {}
        return [Requirement(line) for line in table.get("requires", DEFAULT_REQUIRES)]


def _version_variables(source: Path, version: str | None) -> dict[str, str]:
    return version_variables(
        source, [str(canonicalize_name(item.name)) for item in build_requirements(source)], version
    )


def _advice(said: str) -> str:
    """Return what to do about a build that wants a version from version control, which no copy of the directory has."""
    if not any(sign in said for sign in VERSION_SIGNS):
        return ""
    return (
        " It takes its version from version control, and neither a repository with a commit nor git is here: set "
        "SETUPTOOLS_SCM_PRETEND_VERSION (or the variable of its build tool), or give a wheel."
    )


def _tar(files: Mapping[str, Path]) -> bytes:
    """Return a tar of plain files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, dereference=True) as tar:
        for name, path in files.items():
            tar.add(path, arcname=name, recursive=False, filter=_anonymous)
    return stream.getvalue()


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = EPOCH_S  # backends that pack files with their times refuse those before 1980
    info.mode = 0o755 if info.mode & 0o100 else 0o644
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
    """Wheels of pip and of those build requirements that the guest image does not meet."""
    needed = [
        str(item)
        for item in build_requirements(source)
        if (item.marker is None or item.marker.evaluate(guest.target.environment())) and not _has(guest, item)
    ]
    try:
        return collect(["pip", *needed], guest.target, progress=progress).paths
    except WheelsUnavailableError as error:
        raise PluginPackagingError(
            f"{source} needs {', '.join(needed)} to be built, of which pip finds no wheels. pip said:\n{error}"
        ) from error


def _has(guest: GuestImage, item: Requirement) -> bool:
    version = guest.packages.get(canonicalize_name(item.name))
    return version is not None and item.specifier.contains(version, prereleases=True)


def _built_wheel(source: Path, result: OneshotResult) -> tuple[str, bytes]:
    """File name and bytes of the wheel that the container gave out."""
    if result.timed_out:
        raise PluginPackagingError(f"building {source} took more than {BUILD_TIMEOUT_S:.0f} s and was ended")
    if result.overflowed:
        raise PluginPackagingError(f"the wheel of {source} is bigger than {MAX_WHEEL_BYTES >> 20} MiB")
    head, _, wheel = result.stdout.partition(b"\n")
    if result.exit_code != 0 or not wheel:
        raise PluginPackagingError(
            f"no wheel could be built of {source} (without network, in the sandbox).{_advice(result.stderr)} Its build said:\n"
            f"{result.stderr}"
        )
    name = head.decode("utf-8", "replace")
    try:
        parse_wheel_filename(name)
    except InvalidWheelFilename as error:
        raise PluginPackagingError(f"building {source} gave no proper wheel: {error}") from None
    if Path(name).name != name:
        raise PluginPackagingError(f"building {source} gave a wheel of the name {name!r}")
    return name, wheel
