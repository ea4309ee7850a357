"""Collects wheels on the host, with pip and the user's own pip configuration, and keeps them in the cache.

The sandbox has no network: what goes into it is collected here and installed there from files alone.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from harness.cache import Cache
from harness.runners.engine_types import Progress, silent
from harness.runners.target import PythonTarget
from harness.runners.wheelfile import WheelFile


class WheelsUnavailableError(Exception):
    """Pip found no wheels; the text is the end of what it said."""


@dataclass(frozen=True)
class Wheelhouse:
    """Wheels in the cache.

    Attributes:
        folder: where they lie.
        names: file names, sorted.
    """

    folder: Path
    names: tuple[str, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The wheels, sorted by name."""
        return tuple(self.folder / name for name in self.names)

    @property
    def versions(self) -> dict[str, str]:
        """Canonical distribution name -> version."""
        parsed = (parse_wheel_filename(name) for name in self.names)
        return {str(name): str(version) for name, version, _, _ in parsed}


def digest_of(*parts: object) -> str:
    """SHA-256 in hex over JSON values."""
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
    """Wheels for ``requirements`` and all they need, for ``target``; from the cache when they were collected before.

    Args:
        requirements: PEP 508, without URLs.
        target: the Python they are for; may differ from the one that runs this.
        constraints: distribution -> version that is already there and must not be asked for otherwise.
        find_links: further folders with wheels.
        dependencies: False to take the required wheels alone.
        progress: told what pip does.

    Raises:
        WheelsUnavailableError: there are none that fit.
        NoSpaceError: the disk is full.
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
    """One run of ``pip download``, repeated until nothing is missing."""

    folder: Path
    target: PythonTarget
    constraints: Mapping[str, str]
    find_links: Sequence[Path]
    progress: Progress

    def run(self, requirements: Sequence[str], dependencies: bool) -> None:
        self._pip(requirements, dependencies)
        # pip evaluates environment markers for the Python it runs in, not for the one it collects for.
        while dependencies and (missing := self._missing()):
            before = set(self.folder.glob("*.whl"))
            self._pip(sorted(missing), dependencies=True)
            if set(self.folder.glob("*.whl")) == before:
                raise WheelsUnavailableError(f"pip left out {', '.join(sorted(missing))}")

    def _pip(self, requirements: Sequence[str], dependencies: bool) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
            pins.writelines(f"{name}=={version}\n" for name, version in sorted(self.constraints.items()))
            pins.flush()
            run_pip([*self._command(pins.name, dependencies), "--", *requirements], self.progress)

    def _command(self, pins: str, dependencies: bool) -> list[str]:
        command = [sys.executable, "-m", "pip", "download", "--dest", str(self.folder), "--constraint", pins]
        command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off", *self.target.pip_flags()]
        command += [] if dependencies else ["--no-deps"]
        return command + [f"--find-links={folder}" for folder in (*self.find_links, self.folder)]

    def _missing(self) -> set[str]:
        """Requirements of the wheels so far that no wheel and no constraint meets."""
        wheels = [WheelFile.read(path) for path in self.folder.glob("*.whl")]
        have = {canonicalize_name(name) for name in (*self.constraints, *(wheel.name for wheel in wheels))}
        needed = (requirement for wheel in wheels for requirement in wheel.requires(self.target))
        return {_plain(requirement) for requirement in needed if canonicalize_name(requirement.name) not in have}


def _plain(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def run_pip(command: Sequence[str], progress: Progress, variables: Mapping[str, str] | None = None) -> None:
    """Run pip, with ``variables`` beside the user's own, and pass on what it says, line by line.

    Raises:
        WheelsUnavailableError: it failed.
        OSError: the disk is full.
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
            pip.kill()  # a termination signal reaches this process alone
            raise
    if pip.returncode == 0:
        return
    text = "\n".join(lines[-40:])
    if "No space left on device" in text:
        # The cache, for which pip works here, says what to do.
        raise OSError(errno.ENOSPC, "pip found no space left on the disk")
    raise WheelsUnavailableError(text)
