"""From what the user named to the wheels that go into the sandbox."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.bundles.dependencies import collect_dependencies
from harness.bundles.installed import editable_source, pack_bundled, repack_installed
from harness.bundles.source import build_in_sandbox, build_on_host
from harness.discovery import OWN_DISTRIBUTION, UNLEARNERS, FoundPlugin, find_plugins, find_unlearner, refuse_name
from harness.errors import PluginNotFoundError, PluginPackagingError
from harness.runners.base import PluginBundle, PluginFacts
from harness.runners.engine import Engine
from harness.runners.engine_types import Progress, silent
from harness.runners.images import GuestImage
from harness.runners.target import PythonTarget
from harness.runners.wheelfile import WheelFile
from harness.runners.wheels import WheelsUnavailableError, collect

CHOICE = "#"
"""Stands between a path or requirement and the name of one of several unlearners in it."""


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
    spec: str,
    *,
    python: PythonTarget | None = None,
    engine: Engine | None = None,
    guest: GuestImage | None = None,
    allow_host_build: bool = False,
    progress: Progress = silent,
) -> PluginBundle:
    """The bundle for an unlearner.

    Args:
        spec: name of an installed entry point; path of a wheel; path of a source directory (with a separator or a leading
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
    return _bundle(_locate(spec, sandbox), sandbox)


@dataclass(frozen=True)
class _Located:
    """A plugin's own wheel, where it came from, and the name asked for if any."""

    wheel: Path
    origin: str
    location: str
    name: str | None


def _locate(spec: str, sandbox: Sandbox) -> _Located:
    stem, _, choice = spec.partition(CHOICE)
    name = choice or None
    path = Path(stem).expanduser()
    if stem.endswith(".whl"):
        if not path.is_file():
            raise PluginNotFoundError(f"There is no wheel at {path}.")
        return _Located(path.resolve(), "wheel", stem, name)
    if _looks_like_path(stem):
        return _Located(_built(path, sandbox), "source", stem, name)
    requirement = _requirement(stem)
    if requirement is not None:
        return _Located(_fetched(requirement, sandbox), "requirement", stem, name)
    if path.is_dir() and all(found.name != stem for found in find_plugins(UNLEARNERS)):
        return _Located(_built(path, sandbox), "source", stem, name)
    return _installed(stem, sandbox)


def _looks_like_path(text: str) -> bool:
    return os.sep in text or text.startswith((".", "~"))


def _requirement(text: str) -> Requirement | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    return requirement if requirement.specifier and requirement.url is None else None


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


def _built(source: Path, sandbox: Sandbox) -> Path:
    if not source.is_dir():
        raise PluginNotFoundError(f"There is no wheel or source directory at {source}.")
    if not (source / "pyproject.toml").is_file() and not (source / "setup.py").is_file():
        raise PluginPackagingError(f"{source} has no pyproject.toml: it is not the source directory of a package")
    if sandbox.engine is not None and sandbox.guest is not None:
        return build_in_sandbox(source.resolve(), sandbox.engine, sandbox.guest, sandbox.progress)
    if not sandbox.allow_host_build:
        raise PluginPackagingError(
            f"Building {source} runs its build code, and without Docker it would run on this machine. "
            "Build a wheel of it yourself and give that, or use `--runner docker`."
        )
    return build_on_host(source.resolve(), sandbox.progress)


def _installed(name: str, sandbox: Sandbox) -> _Located:
    found = find_unlearner(name)
    distribution = importlib.metadata.distribution(found.distribution)
    label = f"{found.distribution} {found.version}"
    if canonicalize_name(found.distribution) == OWN_DISTRIBUTION:
        points = {plugin.name: plugin.value for plugin in find_plugins(UNLEARNERS) if plugin.bundled}
        return _Located(pack_bundled(distribution, points), "bundled", label, name)
    source = editable_source(distribution)
    if source is not None:
        return _Located(_built(source, sandbox), "editable", str(source), name)
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
        raise PluginNotFoundError(f"{located.location} has no unlearner {name!r}; it has: {listed}.")
    refuse_name(FoundPlugin(UNLEARNERS, name, wheel.entry_points[name], wheel.name, wheel.version), name)
    return name


def _installed_versions() -> dict[str, str]:
    """What the Python that runs this has installed."""
    found = ((item.metadata["Name"], item.version) for item in importlib.metadata.distributions())
    return {str(canonicalize_name(name)): version for name, version in found if name}


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
    return target
