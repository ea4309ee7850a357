"""From what the user named to the wheels that go into the sandbox."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.bundles.dependencies import collect_dependencies
from harness.bundles.installed import editable_source, pack_bundled, repack_installed
from harness.bundles.source import build_in_sandbox, build_on_host
from harness.discovery import OWN_DISTRIBUTION, UNLEARNERS, FoundPlugin, find_plugins, find_unlearner, refuse_name
from harness.distributions import find_installed, installed_versions
from harness.errors import PluginNotFoundError, PluginPackagingError
from harness.plugin_spec import CHOICE, PluginSpec
from harness.runners.base import PluginBundle, PluginFacts
from harness.runners.engine import Engine
from harness.runners.engine_types import Progress, silent
from harness.runners.images import GuestImage
from harness.runners.target import PythonTarget
from harness.runners.wheelfile import WheelFile
from harness.runners.wheels import WheelsUnavailableError, collect

COMPILE_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Sandbox:
    """What the plugin will find, and where a source directory may be built.

    Attributes:
        target: the Python that will run the plugin.
        present: canonical name -> version of what is installed for it.
        engine, guest: where to build a source directory; None without Docker.
        allow_host_build: the user said that a stranger's build code may run on the host.
        progress: told each step.
    """

    target: PythonTarget
    present: Mapping[str, str]
    engine: Engine | None
    guest: GuestImage | None
    allow_host_build: bool
    progress: Progress


def resolve(
    text: str,
    *,
    python: PythonTarget | None = None,
    engine: Engine | None = None,
    guest: GuestImage | None = None,
    allow_host_build: bool = False,
    progress: Progress = silent,
) -> PluginBundle:
    """The bundle for an unlearner.

    Args:
        text: name of an installed entry point; path of a wheel; path of a source directory (with a separator or a leading
            dot, or of that name where no plugin has it); or ``name==version``. Where a path or a requirement holds several
            unlearners, ``#NAME`` behind it chooses one: ``./dir#NAME``.
        python: the Python that will run the plugin; by default the guest image's, or else the one that runs this.
        engine, guest: of the Docker runner; a source directory is built in a container of this image. None otherwise.
        allow_host_build: without ``engine``, a source directory may be built on the host: its build code runs there.
        progress: told each step.

    Raises:
        PluginNotFoundError: nothing of that name or at that path.
        DuplicatePluginError: two installed distributions have that name.
        PluginLoadError: its name holds characters that no name may.
        PluginPackagingError: a wheel is not sound, does not fit, holds no or several unlearners, or needs what cannot be had.
    """
    target = python or (guest.target if guest is not None else PythonTarget.current())
    present = _installed_versions() if guest is None else guest.packages
    sandbox = Sandbox(target, present, engine, guest, allow_host_build, progress)
    return _bundle(_locate(PluginSpec.parse(text), sandbox), sandbox)


@dataclass(frozen=True)
class _Located:
    """A plugin's own wheel, where it came from, and the name asked for if any."""

    wheel: Path
    origin: str
    location: str
    name: str | None


def _locate(spec: PluginSpec, sandbox: Sandbox) -> _Located:
    path = spec.path
    if spec.kind == "wheel":
        if not path.is_file():
            raise PluginNotFoundError(f"There is no wheel at {path}.")
        return _Located(path.resolve(), "wheel", spec.text, spec.choice)
    if spec.kind == "requirement":
        return _Located(_fetched(spec.requirement, sandbox), "requirement", spec.text, spec.choice)
    taken = spec.kind == "name" and any(found.name == spec.text for found in find_plugins(UNLEARNERS))
    if spec.kind == "source" or (path.is_dir() and not taken):
        return _Located(_built(path, sandbox), "source", spec.text, spec.choice)
    return _installed(spec.text, sandbox)


def _fetched(requirement: Requirement, sandbox: Sandbox) -> Path:
    sandbox.progress(f"fetching {requirement}")
    try:
        house = collect([str(requirement)], sandbox.target, dependencies=False, progress=sandbox.progress)
    except WheelsUnavailableError as error:
        raise PluginPackagingError(
            f"pip finds no wheel of {requirement} for Python {sandbox.target.python}. Where only a source archive is "
            f"published, unpack it and give its directory. pip said:\n{error}"
        ) from error
    return next(path for path in house.paths if WheelFile.read(path).name == canonicalize_name(requirement.name))


def _built(source: Path, sandbox: Sandbox, version: str | None = None) -> Path:
    if not source.is_dir():
        raise PluginNotFoundError(f"There is no wheel or source directory at {source}.")
    if not (source / "pyproject.toml").is_file() and not (source / "setup.py").is_file():
        raise PluginPackagingError(f"{source} has no pyproject.toml: it is not the source directory of a package")
    if sandbox.engine is not None and sandbox.guest is not None:
        return build_in_sandbox(source.resolve(), sandbox.engine, sandbox.guest, sandbox.progress, version)
    if not sandbox.allow_host_build:
        raise PluginPackagingError(
            f"Building {source} runs its build code, and without Docker it would run on this machine. "
            "Build a wheel of it yourself and give that, or use `--runner docker`."
        )
    return build_on_host(source.resolve(), sandbox.progress, version)


def _installed(name: str, sandbox: Sandbox) -> _Located:
    found = find_unlearner(name)
    installed = find_installed(found.distribution)
    if installed is None:
        raise PluginPackagingError(f"{found.provider} cannot be found any more. Was it uninstalled meanwhile?")
    distribution = installed.distribution
    label = f"{found.distribution} {found.version}"
    if canonicalize_name(found.distribution) == OWN_DISTRIBUTION:
        points = {plugin.name: plugin.value for plugin in find_plugins(UNLEARNERS) if plugin.bundled}
        return _Located(pack_bundled(distribution, points), "bundled", label, name)
    source = editable_source(distribution)
    if source is not None:
        return _Located(_built(source, sandbox, found.version), "editable", str(source), name)
    return _Located(repack_installed(distribution), "installed", label, name)


def _bundle(located: _Located, sandbox: Sandbox) -> PluginBundle:
    wheel = WheelFile.read(located.wheel)
    wheel.check_fits(sandbox.target)
    name = _chosen(wheel, located)
    dependencies = collect_dependencies(wheel, sandbox.target, sandbox.present, sandbox.progress)
    versions = {item.name: item.version for item in map(WheelFile.read, dependencies)}
    files = wheel.files()
    facts = PluginFacts(
        name=name,
        value=wheel.entry_points[name],
        distribution=wheel.name,
        version=wheel.version,
        origin=located.origin,
        location=located.location,
        files=files,
        digest=hashlib.sha256(json.dumps([files, versions], sort_keys=True).encode()).hexdigest(),
        dependencies=versions,
    )
    return PluginBundle(facts, (*dependencies, located.wheel))


def _chosen(wheel: WheelFile, located: _Located) -> str:
    """The entry point's name: the one asked for, or the only one."""
    names = sorted(wheel.entry_points)
    listed = ", ".join(names)
    if not names:
        raise PluginPackagingError(
            f"{located.location} ({wheel.name} {wheel.version}) has no entry point of group {UNLEARNERS}. Declare one, "
            f'e.g. in pyproject.toml: [project.entry-points."{UNLEARNERS}"] mymethod = "my_package.my_module"'
        )
    if located.name is None and len(names) > 1:
        raise PluginPackagingError(
            f"{located.location} holds several unlearners: {listed}. Choose one: --plugin "
            f"'{located.location}{CHOICE}{names[0]}'"
        )
    name = located.name or names[0]
    if name not in wheel.entry_points:
        stale = ""
        if located.origin == "editable":
            stale = f" Its installation is older than its source: run pip install -e {located.location} again."
        raise PluginNotFoundError(f"{located.location} has no unlearner {name!r}; it has: {listed}.{stale}")
    refuse_name(FoundPlugin(UNLEARNERS, name, wheel.entry_points[name], wheel.name, wheel.version), name)
    return name


def _installed_versions() -> dict[str, str]:
    """What the Python that runs this has installed."""
    return installed_versions()


def materialise(bundle: PluginBundle, target: Path) -> Path:
    """Unpack the bundle's wheels into the folder ``target``, emptied first, for the process runner; returns it.

    The folder is meant to be appended to ``sys.path``; it is no site directory, so that ``.pth`` files in it are not read.

    Raises:
        PluginPackagingError: a wheel is damaged.
        OSError: the disk is full.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in bundle.wheels:
        WheelFile.read(path).unpack(target)
    _compile(target)
    return target


def _compile(folder: Path) -> None:
    """Compile to byte code, as the image does: guests write none, and every model would pay for it. Nothing of it is run.

    In a process of its own, for a source can exhaust the compiler; a file that does not compile is told when it is imported.
    """
    command = [sys.executable, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder)]
    with contextlib.suppress(
        subprocess.TimeoutExpired
    ):  # what is compiled by then is; the rest is as slow as its source
        subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=COMPILE_TIMEOUT_S, check=False
        )
