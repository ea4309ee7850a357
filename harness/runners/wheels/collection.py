"""Download of wheels on the host, with pip and the user's pip configuration, into the cache.

The sandbox has no network, so everything installed there is downloaded here first.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from harness.core.cache import Cache
from harness.core.interpreter import module_command
from harness.runners.engine.types import Progress, silent
from harness.runners.wheels.target import PythonTarget
from harness.runners.wheels.wheel import WheelFile


class WheelsUnavailableError(Exception):
    """Pip found no wheels; the message is the end of its output."""


@dataclass(frozen=True)
class Wheelhouse:
    """A folder of wheels in the cache.

    Attributes:
        folder: the folder.
        names: sorted file names of the wheels.
    """

    folder: Path
    names: tuple[str, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the paths of the wheels, sorted by name."""
        return tuple(self.folder / name for name in self.names)

    @property
    def versions(self) -> dict[str, str]:
        """Return canonical distribution name -> version."""
        parsed = (parse_wheel_filename(name) for name in self.names)
        return {str(name): str(version) for name, version, _, _ in parsed}


def digest_of(*parts: object) -> str:
    """Return the SHA-256 hex digest over JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def collect(
    requirements: Sequence[str],
    target: PythonTarget,
    *,
    constraints: Mapping[str, str] | None = None,
    find_links: Sequence[Path] = (),
    dependencies: bool = True,
    progress: Progress = silent,
) -> Wheelhouse:
    """Return wheels for ``requirements`` and their dependencies, compatible with ``target``; cached.

    Args:
        requirements: PEP 508 requirements without URLs.
        target: Python that the wheels are for; may differ from the running one.
        constraints: distribution -> version that is installed in the image already; pinned.
        find_links: additional folders with wheels.
        dependencies: False to download only the required wheels.
        progress: called with pip's progress lines.

    Raises:
        WheelsUnavailableError: if there are no compatible wheels.
        NoSpaceError: if the disk is full.
    """
    inputs = {
        "requirements": sorted(requirements),
        "target": target.to_json(),
        "constraints": dict(constraints or {}),
        "dependencies": dependencies,
    }

    def download(folder: Path) -> None:
        _Download(folder, target, constraints or {}, find_links, progress).run(requirements, dependencies)

    folder, _ = Cache("wheels").get_or_build(inputs, download)
    return Wheelhouse(folder, tuple(sorted(path.name for path in folder.glob("*.whl"))))


@dataclass(frozen=True)
class _Download:
    """A ``pip download``, repeated until no dependency is missing."""

    folder: Path
    target: PythonTarget
    constraints: Mapping[str, str]
    find_links: Sequence[Path]
    progress: Progress

    def run(self, requirements: Sequence[str], dependencies: bool) -> None:
        self._pip(requirements, dependencies)
        # pip evaluates environment markers for the interpreter it runs in, not for the target.
        while dependencies and (missing := self._missing()):
            before = set(self.folder.glob("*.whl"))
            self._pip(sorted(missing), dependencies=True)
            if set(self.folder.glob("*.whl")) == before:
                raise WheelsUnavailableError(f"pip did not download {', '.join(sorted(missing))}")

    def _pip(self, requirements: Sequence[str], dependencies: bool) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
            pins.writelines(f"{name}=={version}\n" for name, version in sorted(self.constraints.items()))
            pins.flush()
            run_pip([*self._command(pins.name, dependencies), "--", *requirements], self.progress)

    def _command(self, pins: str, dependencies: bool) -> list[str]:
        command = module_command("pip", "download", "--dest", str(self.folder), "--constraint", pins)
        command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off", *self.target.pip_flags()]
        command += [] if dependencies else ["--no-deps"]
        return command + [f"--find-links={folder}" for folder in (*self.find_links, self.folder)]

    def _missing(self) -> set[str]:
        """Return requirements of the downloaded wheels that no wheel and no constraint satisfies."""
        wheels = [WheelFile.read(path) for path in self.folder.glob("*.whl")]
        have = {canonicalize_name(name) for name in (*self.constraints, *(wheel.name for wheel in wheels))}
        needed = (requirement for wheel in wheels for requirement in wheel.requires(self.target))
        return {plain(requirement) for requirement in needed if canonicalize_name(requirement.name) not in have}


def plain(requirement: Requirement) -> str:
    """Return a requirement without its marker."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def run_pip(command: Sequence[str], progress: Progress, variables: Mapping[str, str] | None = None) -> None:
    """Run pip with ``variables`` added to the environment, and report its main steps to ``progress``.

    Raises:
        WheelsUnavailableError: if pip failed.
        OSError: if the disk is full.
    """
    lines: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(variables or {})},
    ) as pip:
        assert pip.stdout is not None  # noqa: S101  (it is a pipe)
        try:
            for line in pip.stdout:
                lines.append(line.rstrip())
                if line.startswith(("Collecting", "Downloading", "Processing", "Building")):
                    progress(line.strip())
        except BaseException:
            pip.kill()  # a termination signal reaches only this process, not pip
            raise
    if pip.returncode == 0:
        return
    text = "\n".join(lines[-40:])
    if "No space left on device" in text:
        # The cache, which called this, converts it into a NoSpaceError with advice.
        raise OSError(errno.ENOSPC, "pip found no space left on the disk")
    raise WheelsUnavailableError(text)
