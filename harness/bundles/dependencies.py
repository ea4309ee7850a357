"""Finds what a plugin needs beside what the sandbox has, and collects it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from harness.bundles.conflicts import reason
from harness.errors import PluginPackagingError
from harness.runners.engine_types import Progress
from harness.runners.target import PythonTarget
from harness.runners.wheelfile import WheelFile
from harness.runners.wheels import WheelsUnavailableError, collect

TORCH_LIBRARIES = (b"libtorch.so", b"libtorch_cpu.so", b"libc10.so", b"libtorch_python.so")
CUDA_LIBRARY = b"libtorch_cuda.so"


def collect_dependencies(
    wheel: WheelFile, target: PythonTarget, present: Mapping[str, str], progress: Progress
) -> tuple[Path, ...]:
    """Wheels of what ``wheel`` requires and the sandbox has not got.

    Args:
        wheel: the plugin's.
        target: the sandbox's Python.
        present: canonical name -> version of what is installed in the sandbox.
        progress: told what pip does.

    Raises:
        PluginPackagingError: what the sandbox has does not meet a requirement, or there are no wheels of one.
    """
    missing = [_line(item) for item in wheel.requires(target) if not _is_met(wheel, item, present)]
    if not missing:
        return ()
    progress(f"collecting what {wheel.name} needs: {', '.join(missing)}")
    try:
        house = collect(missing, target, constraints=present, progress=progress)
    except WheelsUnavailableError as error:
        at_fault = reason(str(error), target.python, present)
        why = at_fault or f"pip finds no wheels of {', '.join(missing)} that fit Python {target.python} and the sandbox"
        raise PluginPackagingError(
            f"What {wheel.name} {wheel.version} needs cannot be had: {why}.\n"
            f"Required beside what the sandbox has: {', '.join(missing)}. pip said:\n{error}"
        ) from error
    found = tuple(path for path in house.paths if WheelFile.read(path).name not in present)
    _refuse_other_builds(found, wheel, present)
    return found


def _refuse_other_builds(paths: Iterable[Path], wheel: WheelFile, present: Mapping[str, str]) -> None:
    """Refuse wheels built for a torch with CUDA beside one without. pip prefers the CPU build wherever its index has both."""
    torch = present.get("torch")
    if torch is None or not (Version(torch).local or "").startswith("cpu"):
        return
    for other in (WheelFile.read(path) for path in paths if needs_cuda(path)):
        raise PluginPackagingError(
            f"What {wheel.name} {wheel.version} needs cannot be had: {other.name} {other.version} was built for a torch with "
            f"CUDA, and the sandbox has torch {torch}, so that its import would fail. Let pip know of the index that has both "
            "for the CPU by PIP_EXTRA_INDEX_URL, or install a torch with CUDA on this machine."
        )


def needs_cuda(path: Path) -> bool:
    """Return True if all native modules of a wheel that use torch use its CUDA part, as their tables of libraries say."""
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
            f"{wheel.name} {wheel.version} requires {requirement}: an address is not taken; require a version, "
            "or pack what is needed into the plugin's own wheel"
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


def _line(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"
