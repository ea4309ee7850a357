"""Resolution of ``--plugin`` to a bundle: the plugin's wheel and its dependencies."""

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

from harness.choices import Adapter
from harness.core.metadata import find_installed, installed_versions
from harness.errors import PluginNotFoundError, PluginPackagingError
from harness.plugins.discovery import (
    OWN_DISTRIBUTION,
    UNLEARNERS,
    FoundPlugin,
    find_plugins,
    find_unlearner,
    refuse_name,
)
from harness.plugins.spec import CHOICE, PluginSpec
from harness.runners.base import PluginBundle, PluginFacts
from harness.runners.bundles.dependencies import collect_dependencies
from harness.runners.bundles.installed import editable_source, pack_bundled, repack_installed
from harness.runners.bundles.script import read_script, script_wheel
from harness.runners.bundles.source import build_in_sandbox, build_on_host
from harness.runners.engine.client import Engine
from harness.runners.engine.types import Progress, silent
from harness.runners.images.listing import GuestImage
from harness.runners.wheels.collection import WheelsUnavailableError, collect
from harness.runners.wheels.target import PythonTarget
from harness.runners.wheels.wheel import WheelFile

COMPILE_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Sandbox:
    """Environment that the plugin will run in, and where source directories are built.

    Attributes:
        target: Python that will run the plugin.
        present: canonical name -> version of each installed distribution.
        engine, guest: engine and image for building source directories; None without Docker.
        allow_host_build: the user allowed third-party build code to run on the host.
        progress: called with a line of text for each step.
        adapter: how to call the function of a script.
        requirements: what the user requires beyond the plugin's own dependencies.
    """

    target: PythonTarget
    present: Mapping[str, str]
    engine: Engine | None
    guest: GuestImage | None
    allow_host_build: bool
    progress: Progress
    adapter: Adapter
    requirements: tuple[Requirement, ...]


def resolve(
    text: str,
    *,
    python: PythonTarget | None = None,
    engine: Engine | None = None,
    guest: GuestImage | None = None,
    allow_host_build: bool = False,
    progress: Progress = silent,
    adapter: Adapter = "auto",
    requirements: tuple[Requirement, ...] = (),
) -> PluginBundle:
    """Return the bundle for an unlearner.

    Args:
        spec: name of an installed entry point; path of a wheel; path of a source directory (with a separator or a leading
            dot, or any existing directory if no plugin has that name); or ``name==version``. If a path or requirement
            contains several unlearners, append ``#NAME`` to choose: ``./dir#NAME``. Or path of a ``.py`` file or notebook, with
            ``:FUNCTION`` to choose one of its functions.
        python: Python that will run the plugin; default: the guest image's, else the running interpreter.
        engine, guest: engine and guest image of the Docker runner, which builds source directories; else None.
        allow_host_build: without ``engine``, allow building a source directory, and so its build code, on the host.
        progress: called with a line of text for each step.
        adapter: how to call the function of a ``.py`` file or notebook.
        requirements: what the user requires beyond the plugin's own dependencies.

    Raises:
        PluginNotFoundError: if there is no plugin of that name or at that path.
        DuplicatePluginError: if two installed distributions register that name.
        PluginLoadError: if its name has invalid characters.
        PluginPackagingError: if a wheel is invalid or incompatible, does not determine one unlearner, or has dependencies
            that are not available.
    """
    target = python or (guest.target if guest is not None else PythonTarget.current())
    present = installed_versions() if guest is None else guest.packages
    sandbox = Sandbox(target, present, engine, guest, allow_host_build, progress, adapter, requirements)
    return _bundle(_locate(PluginSpec.parse(text), sandbox), sandbox)


@dataclass(frozen=True)
class _Located:
    """A plugin's own wheel, its origin, and the requested entry-point name, if any."""

    wheel: Path
    origin: str
    location: str
    name: str | None


def _locate(spec: PluginSpec, sandbox: Sandbox) -> _Located:
    path = spec.path
    if spec.kind == "script":
        return _Located(script_wheel(read_script(spec, sandbox.adapter)), "script", str(spec), None)
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


def ready_wheel(spec: PluginSpec) -> tuple[WheelFile, str] | None:
    """Return a plugin's own wheel and its entry point if the plugin needs neither a build nor a download; else None.

    Raises:
        HarnessError: as :func:`resolve`.
    """
    if spec.kind == "wheel":
        if not spec.path.is_file():
            raise PluginNotFoundError(f"There is no wheel at {spec.path}.")
        located = _Located(spec.path.resolve(), "wheel", spec.text, spec.choice)
    elif spec.kind == "name" and any(found.name == spec.text for found in find_plugins(UNLEARNERS)):
        distribution = find_installed(find_unlearner(spec.text).distribution)
        bundled = distribution is not None and canonicalize_name(distribution.name) == OWN_DISTRIBUTION
        if distribution is None or (not bundled and editable_source(distribution.distribution) is not None):
            return None
        located = _installed(spec.text, None)
    else:
        return None
    wheel = WheelFile.read(located.wheel)
    return wheel, _chosen(wheel, located)


def _fetched(requirement: Requirement, sandbox: Sandbox) -> Path:
    sandbox.progress(f"downloading {requirement}")
    try:
        house = collect([str(requirement)], sandbox.target, dependencies=False, progress=sandbox.progress)
    except WheelsUnavailableError as error:
        raise PluginPackagingError(
            f"pip finds no wheel of {requirement} for Python {sandbox.target.python}. If only a source archive is "
            f"published, unpack it and pass its directory. pip's output:\n{error}"
        ) from error
    return next(path for path in house.paths if WheelFile.read(path).name == canonicalize_name(requirement.name))


def _built(source: Path, sandbox: Sandbox, version: str | None = None) -> Path:
    if not source.is_dir():
        raise PluginNotFoundError(f"There is no wheel or source directory at {source}.")
    if not (source / "pyproject.toml").is_file() and not (source / "setup.py").is_file():
        raise PluginPackagingError(f"{source} is not the source directory of a package: it has no pyproject.toml")
    if sandbox.engine is not None and sandbox.guest is not None:
        return build_in_sandbox(source.resolve(), sandbox.engine, sandbox.guest, sandbox.progress, version)
    if not sandbox.allow_host_build:
        raise PluginPackagingError(
            f"Building {source} runs its build code, and without Docker it would run on this machine. "
            "Build a wheel yourself and pass that, or use `--runner docker`."
        )
    return build_on_host(source.resolve(), sandbox.progress, version)


def _installed(name: str, sandbox: Sandbox | None) -> _Located:
    """Return an installed plugin's wheel; ``sandbox`` builds that of an editable one."""
    found = find_unlearner(name)
    installed = find_installed(found.distribution)
    if installed is None:
        raise PluginPackagingError(f"{found.provider} is no longer installed. Reinstall it.")
    distribution = installed.distribution
    label = f"{found.distribution} {found.version}"
    if canonicalize_name(found.distribution) == OWN_DISTRIBUTION:
        points = {plugin.name: plugin.value for plugin in find_plugins(UNLEARNERS) if plugin.bundled}
        return _Located(pack_bundled(distribution, points), "bundled", label, name)
    source = editable_source(distribution)
    if source is not None and sandbox is not None:
        return _Located(_built(source, sandbox, found.version), "editable", str(source), name)
    return _Located(repack_installed(distribution), "installed", label, name)


def _bundle(located: _Located, sandbox: Sandbox) -> PluginBundle:
    wheel = WheelFile.read(located.wheel)
    wheel.check_fits(sandbox.target)
    name = _chosen(wheel, located)
    dependencies = collect_dependencies(wheel, sandbox.target, sandbox.present, sandbox.progress, sandbox.requirements)
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
    """Return the requested entry-point name, or the only one if none was requested."""
    names = sorted(wheel.entry_points)
    listed = ", ".join(names)
    if not names:
        raise PluginPackagingError(
            f"{located.location} ({wheel.name} {wheel.version}) has no entry point of group {UNLEARNERS}. Declare one, "
            f'e.g. in pyproject.toml: [project.entry-points."{UNLEARNERS}"] mymethod = "my_package.my_module"'
        )
    if located.name is None and len(names) > 1:
        raise PluginPackagingError(
            f"{located.location} has several unlearners: {listed}. Choose one with --plugin "
            f"'{located.location}{CHOICE}{names[0]}'"
        )
    name = located.name or names[0]
    if name not in wheel.entry_points:
        stale = ""
        if located.origin == "editable":
            stale = f" The installation may be older than its source: rerun pip install -e {located.location}."
        raise PluginNotFoundError(f"{located.location} has no unlearner {name!r}; it has: {listed}.{stale}")
    refuse_name(FoundPlugin(UNLEARNERS, name, wheel.entry_points[name], wheel.name, wheel.version), name)
    return name


def materialise(bundle: PluginBundle, target: Path) -> Path:
    """Empty the folder ``target``, unpack the bundle's wheels into it for the process runner, and return it.

    The folder is appended to ``sys.path``. It is not a site directory, so its ``.pth`` files are not executed.

    Raises:
        PluginPackagingError: if a wheel is damaged.
        OSError: if the disk is full.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in bundle.wheels:
        WheelFile.read(path).unpack(target)
    _compile(target)
    return target


def _compile(folder: Path) -> None:
    """Compile to bytecode, as the image build does; otherwise every model would pay for compilation. No plugin code is run.

    Compilation runs in a subprocess, because malicious source can exhaust the compiler. Syntax errors surface on import.
    """
    command = [sys.executable, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder)]
    with contextlib.suppress(subprocess.TimeoutExpired):  # files not compiled by then are compiled on each import
        subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=COMPILE_TIMEOUT_S, check=False
        )
