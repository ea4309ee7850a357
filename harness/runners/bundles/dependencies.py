"""Download of a plugin's dependencies that the sandbox does not have yet."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from harness.core.reading import foreign
from harness.errors import PluginPackagingError, UsageError
from harness.runners.bundles.conflicts import reason
from harness.runners.engine.types import Progress
from harness.runners.wheels.collection import WheelsUnavailableError, collect, plain
from harness.runners.wheels.target import PythonTarget
from harness.runners.wheels.wheel import WheelFile

TORCH_LIBRARIES = (b"libtorch.so", b"libtorch_cpu.so", b"libc10.so", b"libtorch_python.so")
CUDA_LIBRARY = b"libtorch_cuda.so"


def read_requirements(path: Path) -> tuple[Requirement, ...]:
    """Return the requirements in a file: one per line, with ``#`` for comments, as for pip but without pip's options.

    Raises:
        UsageError: the file cannot be read, or a line is not a requirement; the message names the line.
    """
    found = []
    with foreign(f"--require {path} cannot be read", UsageError):
        lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        text = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if not text:
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            why = "pip's options are not supported" if text.startswith("-") else str(error).splitlines()[0]
            raise UsageError(f"{path}, line {number}: {text!r} is not a requirement: {why}.") from error
        if requirement.marker is None or requirement.marker.evaluate():
            found.append(requirement)
    return tuple(found)


def collect_dependencies(
    wheel: WheelFile,
    target: PythonTarget,
    present: Mapping[str, str],
    progress: Progress,
    more: Sequence[Requirement] = (),
) -> tuple[Path, ...]:
    """Return the wheels of dependencies that the sandbox lacks.

    Args:
        wheel: wheel of the plugin.
        target: Python of the sandbox.
        more: what the user requires beyond the plugin's own dependencies.
        present: canonical name -> version of each distribution in the sandbox.
        progress: called with pip's progress lines.

    Raises:
        PluginPackagingError: if a version in the sandbox does not satisfy a requirement, or there is no wheel.
    """
    missing = [plain(item) for item in (*wheel.requires(target), *more) if not _is_met(wheel, item, present)]
    if not missing:
        return ()
    progress(f"downloading dependencies of {wheel.name}: {', '.join(missing)}")
    try:
        house = collect(missing, target, constraints=present, progress=progress)
    except WheelsUnavailableError as error:
        at_fault = reason(str(error), target.python, present)
        why = at_fault or f"pip finds no wheels of {', '.join(missing)} for Python {target.python} and the sandbox"
        raise PluginPackagingError(
            f"Dependencies of {wheel.name} {wheel.version} are not available: {why}.\n"
            f"Missing in the sandbox: {', '.join(missing)}. pip's output:\n{error}"
        ) from error
    found = tuple(path for path in house.paths if WheelFile.read(path).name not in present)
    _refuse_other_builds(found, wheel, present)
    return found


def _refuse_other_builds(paths: Iterable[Path], wheel: WheelFile, present: Mapping[str, str]) -> None:
    """Raise PluginPackagingError for wheels that need CUDA if torch is a CPU build.

    Where an index has both, pip prefers the CPU build.
    """
    torch = present.get("torch")
    if torch is None or not (Version(torch).local or "").startswith("cpu"):
        return
    for other in (WheelFile.read(path) for path in paths if needs_cuda(path)):
        raise PluginPackagingError(
            f"Dependencies of {wheel.name} {wheel.version} are not available: {other.name} {other.version} was built for a "
            f"torch with CUDA and cannot be imported with the sandbox's torch {torch}. Set PIP_EXTRA_INDEX_URL to the index that "
            "has CPU builds of both, or install a torch with CUDA on this machine."
        )


def needs_cuda(path: Path) -> bool:
    """Return True if every native module of a wheel that links torch also links its CUDA library."""
    linked = []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".so"):
                code = archive.read(name)
                if any(library in code for library in TORCH_LIBRARIES):
                    linked.append(CUDA_LIBRARY in code)
    return bool(linked) and all(linked)


def _is_met(wheel: WheelFile, requirement: Requirement, present: Mapping[str, str]) -> bool:
    if requirement.url is not None:
        raise PluginPackagingError(
            f"{wheel.name} {wheel.version} requires {requirement}: URL requirements are not supported; use a version "
            "specifier, or vendor the code in the plugin's own wheel"
        )
    version = present.get(canonicalize_name(requirement.name))
    if version is None:
        return False
    if not requirement.specifier.contains(version, prereleases=True):
        advice = "; choose another with `--torch VERSION`" if requirement.name == "torch" else ""
        raise PluginPackagingError(
            f"{wheel.name} {wheel.version} needs {requirement}, but the sandbox has {requirement.name} {version}{advice}"
        )
    return not requirement.extras
