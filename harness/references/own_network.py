"""What a task brings for its network: code with its dependencies, and initial weights.

Both lie in one folder, the *site*, which is put first on ``sys.path`` wherever the network is built: in this process, in its
training workers, and in guests. A site has the files for one Python. The host's and the guest's may differ in what is
installed, so each has its own.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.core.cache import Cache, cache_root, file_sha256, key_of
from harness.core.metadata import find_installed, installed_versions
from harness.errors import LibraryMissingError, PluginPackagingError, TaskInvalidError
from harness.plugins.discovery import OWN_DISTRIBUTION
from harness.runners.bundles.dependencies import collect_dependencies
from harness.runners.bundles.installed import repack_installed
from harness.runners.bundles.source import build_on_host
from harness.runners.engine.types import Progress, silent
from harness.runners.wheels.collection import WheelsUnavailableError, collect
from harness.runners.wheels.target import PythonTarget
from harness.runners.wheels.wheel import WheelFile
from harness.tasks.architectures import WHEEL, located, requirement_of
from harness.tasks.own_architectures import module_files
from harness.tasks.task import Task
from harness.tasks.yaml.wording import listed, near_match
from reference_models.networks.recipe import INITIAL_WEIGHTS, LIBRARIES

SITES, SITE = "architectures", "site"


@dataclass(frozen=True)
class OwnNetwork:
    """The code and the initial weights of a task's network; a task may bring neither.

    Attributes:
        task: the task, with the architecture from which networks are built.
        wheel: of the package, or of the library, that has the factory; None if there is none.
        modules: files of an importable factory's module, by their paths in a site.
        weights: files of initial weights, by their paths in a site.
        here: the site for this process and its workers; None if they need none.
    """

    task: Task
    wheel: WheelFile | None
    modules: Mapping[str, Path]
    weights: Mapping[str, Path]
    here: Path | None = None

    @classmethod
    def of(cls, task: Task) -> OwnNetwork:
        """Return what a task brings, and make it importable in this process.

        Raises:
            TaskInvalidError: the package cannot be built, does not fit this Python, or has a module that is another's; or a
                file is not there.
            LibraryMissingError: the network is of a library that is not installed.
        """
        asked = task.architecture
        weights = [_weights(text, task) for text in asked.init]
        order = tuple(map(file_sha256, weights))
        modules = module_files(task)
        with _as_fault_of(task):
            wheel = _wheel(task)
        code = replace(asked, package=None, init=order, digest=_digest(wheel, modules))
        placed = {f"{INITIAL_WEIGHTS}/{digest}": path for digest, path in zip(order, weights, strict=True)}
        own = cls(replace(task, architecture=code), wheel, modules, placed)
        names = own._checked_modules() if asked.package is not None else frozenset[str]()
        site = _site(own._wheels(None, None, silent), placed)
        if site is not None or modules:
            import_from(site, names)
        return replace(own, here=site)

    @property
    def package(self) -> str | None:
        """Return distribution and version of the package or library, e.g. "my-vit 1.0"; None without one."""
        return None if self.wheel is None else f"{self.wheel.name} {self.wheel.version}"

    def site(
        self,
        python: PythonTarget | None = None,
        present: Mapping[str, str] | None = None,
        progress: Progress = silent,
    ) -> Path | None:
        """Return the site for guests; None if they need none.

        Args:
            python: Python of the guests; default: this one.
            present: canonical name -> version of each distribution that they have; default: what is installed here.
            progress: called with a line of text for each step.

        Raises:
            TaskInvalidError: the package or its dependencies are not available for this Python.
        """
        return _site(self._wheels(python, present, progress), {**self.modules, **self.weights})

    def _wheels(
        self, python: PythonTarget | None, present: Mapping[str, str] | None, progress: Progress
    ) -> tuple[Path, ...]:
        """Return the wheels that a Python lacks, by default this one, dependencies first."""
        if self.wheel is None:
            return ()
        target, found = python or PythonTarget.current(), _installed_here() if present is None else present
        if self.wheel.name in LIBRARIES and self.wheel.name in found:
            return ()
        with _as_fault_of(self.task):
            self.wheel.check_fits(target)
            return (*collect_dependencies(self.wheel, target, found, progress), self.wheel.path)

    def _checked_modules(self) -> frozenset[str]:
        """Return the names of the package's top-level modules.

        Raises:
            TaskInvalidError: the factory's is not among them, or another distribution or Python itself has one of them.
        """
        assert self.wheel is not None  # noqa: S101
        name, where = (
            self.task.architecture.name,
            f"The task {self.task.name!r}: the architecture's package {self.package}",
        )
        tops = {path.partition("/")[0] for path in self.wheel.files()}
        names = frozenset(top.partition(".")[0] for top in tops if not top.endswith((".dist-info", ".data")))
        wanted = name.partition(":")[0].partition(".")[0]
        if wanted not in names:
            raise TaskInvalidError(
                f"{where} has no module {wanted!r} for the factory {name!r}{near_match(wanted, sorted(names))}; it has: "
                f"{listed(sorted(names)) or 'none'}."
            )
        if self.wheel.name in _needed():
            raise TaskInvalidError(
                f"{where} has the name of a library that the harness itself needs. Rename it in its pyproject.toml."
            )
        # Takes a quarter of a second: where no module of these names is found, no distribution has one.
        providers = importlib.metadata.packages_distributions() if any(map(_found, names)) else {}
        for module in sorted(names):
            others = {canonicalize_name(other) for other in providers.get(module, ())} - {self.wheel.name}
            if module in sys.stdlib_module_names or (others and canonicalize_name(self.wheel.name) not in others):
                other = "Python's standard library" if module in sys.stdlib_module_names else sorted(others)[0]
                raise TaskInvalidError(f"{where} has a module {module!r}, which {other} also has. Rename the module.")
        return names


def _found(module: str) -> bool:
    """Return True if this Python finds a module of this name."""
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # it is imported, and has no specification
        return True


def _needed() -> frozenset[str]:
    """Return the names of the harness and of the distributions that it and these need, as far as they are installed."""
    found: set[str] = set()
    names = [OWN_DISTRIBUTION]
    while names:
        name = names.pop()
        if name in found:
            continue
        found.add(name)
        try:
            lines = importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            continue
        requirements = map(Requirement, lines)
        names += [
            canonicalize_name(one.name)
            for one in requirements
            if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return frozenset(found)


def import_from(site: Path | None, modules: frozenset[str] = frozenset()) -> None:
    """Put a site first on ``sys.path``, in the place of another task's.

    Forget imported modules of other sites, and other versions of the site's own ``modules``.
    """
    others = [entry for entry in sys.path if _is_site(entry) and (site is None or Path(entry) != site)]
    sys.path[:] = [entry for entry in sys.path if entry not in others]
    if site is not None and str(site) not in sys.path:
        sys.path.insert(0, str(site))
    for name, module in list(sys.modules.items()):
        file = str(getattr(module, "__file__", None) or "")
        elsewhere = name.partition(".")[0] in modules and not file.startswith(f"{site}/")
        if elsewhere or any(file.startswith(f"{other}/") for other in others):
            del sys.modules[name]
    importlib.invalidate_caches()


def _is_site(entry: str) -> bool:
    return Path(entry).is_relative_to((cache_root() / SITES).resolve())


def _installed_here() -> dict[str, str]:
    """Return the versions of what is installed in this environment, without what sites have."""
    return installed_versions([entry for entry in sys.path if not _is_site(entry)])


@contextmanager
def _as_fault_of(task: Task) -> Iterator[None]:
    """Convert packaging errors of the block into errors of the task."""
    try:
        yield
    except (PluginPackagingError, WheelsUnavailableError) as error:
        named = task.architecture.package or task.architecture.name
        raise TaskInvalidError(f"The task {task.name!r}: the architecture's package {named}: {error}") from error


def _wheel(task: Task) -> WheelFile | None:
    asked = task.architecture
    if asked.package is None:
        library, colon, _ = asked.name.partition(":")
        return _library_wheel(library) if colon and library in LIBRARIES else None
    requirement = requirement_of(asked.package)
    if requirement is not None:
        house = collect([str(requirement)], PythonTarget.current(), dependencies=False)
        named = canonicalize_name(requirement.name)
        return next(wheel for wheel in map(WheelFile.read, house.paths) if wheel.name == named)
    path = located(asked.package, task.folder or Path())
    if not path.exists():
        raise TaskInvalidError(f"The task {task.name!r}: the architecture's package {path} does not exist.")
    # The task's author is trusted, so that the build may run here.
    return WheelFile.read(path if asked.package.endswith(WHEEL) else build_on_host(path.resolve(), silent))


def _library_wheel(library: str) -> WheelFile:
    installed = find_installed(library)
    if installed is None:
        raise LibraryMissingError(
            f"Networks of {library} need {library}, which is not installed: "
            f"pip install 'unlearning-harness[{LIBRARIES[library]}]'"
        )
    return WheelFile.read(repack_installed(installed.distribution))


def _weights(text: str, task: Task) -> Path:
    path = located(text, task.folder or Path())
    if not path.is_file():
        raise TaskInvalidError(f"The task {task.name!r}: there is no file {path} of initial weights.")
    return path


def _digest(wheel: WheelFile | None, modules: Mapping[str, Path]) -> str:
    """Return a digest of the code's content, wherever it lies; empty for a network of the harness."""
    if wheel is not None:
        return key_of({"package": wheel.files()})
    return key_of({path: file_sha256(place) for path, place in modules.items()}) if modules else ""


def _site(wheels: tuple[Path, ...], files: Mapping[str, Path]) -> Path | None:
    """Return the folder with the wheels' modules and the files; None if it were empty."""
    if not files and not wheels:
        return None

    def build(folder: Path) -> None:
        site = folder / SITE
        site.mkdir()
        for wheel in wheels:
            WheelFile.read(wheel).unpack(site)
        for name, place in files.items():
            target = site / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place, target)
        for place in (site, *site.rglob("*")):  # the sandbox's user differs from this one
            place.chmod(0o755 if place.is_dir() else 0o644)

    digests = {name: file_sha256(place) for name, place in files.items()}
    inputs = {"format": 2, "wheels": [file_sha256(wheel) for wheel in wheels], "files": digests}
    folder, _ = Cache(SITES).get_or_build(inputs, build)
    return (folder / SITE).resolve()
