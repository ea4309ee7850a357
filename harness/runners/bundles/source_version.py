"""Versions for builds that derive theirs from version control, which is not copied into the build."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from packaging.version import InvalidVersion, Version

TOOLS = {
    "setuptools-scm": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "vcs-versioning": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "hatch-vcs": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "flit-scm": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "pdm-backend": "PDM_BUILD_SCM_VERSION",
    "pbr": "PBR_VERSION",
    "poetry-dynamic-versioning": "POETRY_DYNAMIC_VERSIONING_BYPASS",
}
"""Build requirement -> environment variable that overrides its version."""
GIT_TIMEOUT_S = 20.0
TAG = re.compile(r"^(?:.*?[-_/])?v?(?P<version>\d[^-]*(?:-[^-]*)*)-(?P<distance>\d+)-g(?P<node>[0-9a-f]+)$")


def version_variables(source: Path, requires: Iterable[str], known: str | None = None) -> dict[str, str]:
    """Return the variables that pass a version to the build; empty if it needs none or none is known.

    Variables set by the user come first, then git's version, then ``known``.

    Args:
        source: directory of the package.
        requires: canonical names of its build requirements.
        known: fallback version, e.g. of the editable installation.
    """
    variables = {TOOLS[name] for name in requires if name in TOOLS}
    if not variables:
        return {}
    given = {
        name: value for name, value in os.environ.items() if any(name.startswith(variable) for variable in variables)
    }
    version = git_version(source) or known
    found = {} if version is None else dict.fromkeys(variables, version)
    return {**found, **given}


def git_version(source: Path) -> str | None:
    """Return a version derived from the nearest tag, in setuptools-scm's format; None without git or a repository.

    The repository is untrusted: its work tree is not inspected and none of its hooks or helpers run.
    """
    described = _git(source, "describe", "--tags", "--long", "--match", "*[0-9]*")
    found = TAG.match(described or "")
    try:
        if found is not None:
            return _after(Version(found["version"]), int(found["distance"]), found["node"])
    except InvalidVersion:
        pass  # the tag is not a version
    node = _git(source, "rev-parse", "--short", "HEAD")
    return None if node is None else f"0.1.dev0+g{node}"


def _after(tag: Version, distance: int, node: str) -> str:
    if not distance:
        return str(tag)
    release = [*tag.release[:-1], tag.release[-1] + (not tag.is_prerelease)]
    return f"{'.'.join(map(str, release))}.dev{distance}+g{node}"


def _git(source: Path, *arguments: str) -> str | None:
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            [*command, "-C", str(source), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            env={**environment, "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
