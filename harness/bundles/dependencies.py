"""Finds what a plugin needs beside what the sandbox has, and collects it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.bundles.conflicts import reason
from harness.errors import PluginPackagingError
from harness.runners.engine_types import Progress
from harness.runners.target import PythonTarget
from harness.runners.wheelfile import WheelFile
from harness.runners.wheels import WheelsUnavailableError, collect


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
    return tuple(path for path in house.paths if WheelFile.read(path).name not in present)


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
