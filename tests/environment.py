"""An author's virtual environment, made without network: it sees what this Python has, and takes in what is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests import forks
from tests.program import NO_DOCKER

OFFLINE = {
    "PIP_NO_INDEX": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # for pip, 0 in this variable means no isolation
    "PIP_FIND_LINKS": "",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
SCRIPTS = {
    "harness": "sys.exit(relay({address!r}, 'harness', sys.argv[1:]))",
    "python": """\
if sys.argv[1:3] == ["-m", "pytest"]:
    sys.exit(relay({address!r}, "pytest", sys.argv[3:]))
os.execv({python!r}, [{python!r}, *sys.argv[1:]])""",
    "pip": "os.execv({python!r}, [{python!r}, '-m', 'pip', *sys.argv[1:]])",
}
"""Programs by name; those that import the harness are forked (:mod:`tests.forks`)."""
HEAD = """\
#!{python} -I
import os, sys
sys.path.insert(0, {root!r})
from tests.forks import relay
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        folder: of the environment.
        variables: of the processes that run in it.
    """

    folder: Path
    variables: Mapping[str, str]

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    def run(self, command: str, folder: Path, **variables: str) -> str:
        """Run a shell command, which must succeed, and return its output and errors."""
        ended = subprocess.run(
            ["bash", "-ec", command],
            cwd=folder,
            env={**self.variables, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}"
        return ended.stdout


def write_scripts(folder: Path, python: str = sys.executable) -> None:
    """Write scripts by which a shell finds the programs."""
    given = {"python": python, "root": str(Path(__file__).parents[1]), "address": forks.address()}
    folder.mkdir()
    for name, text in SCRIPTS.items():
        (folder / name).write_text((HEAD + text).format(**given) + "\n")
        (folder / name).chmod(0o755)


def make_environment(folder: Path, cache: Path, docker: str | None = NO_DOCKER) -> Environment:
    """Create a new environment at ``folder``.

    Args:
        folder: is made.
        cache: of the harness.
        docker: address of the engine, by default one where none is; None for the machine's own.
    """
    venv.create(folder, symlinks=True)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    ours = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    lines = [f"import site; site.addsitedir({path!r})" for path in ours]
    (own / "ours.pth").write_text("\n".join(lines) + "\n")
    scripts = folder / "scripts"
    write_scripts(scripts, str(folder / "bin" / "python"))
    engine = {} if docker is None else {"DOCKER_HOST": docker}
    left_out = ("PYTHONPATH", "PYTHONHOME", "COVERAGE_PROCESS_START")
    variables = {name: value for name, value in os.environ.items() if name not in left_out}
    path = os.pathsep.join([str(scripts), str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    return Environment(
        folder,
        {
            **variables,
            **OFFLINE,
            **engine,
            "PATH": path,
            "VIRTUAL_ENV": str(folder),
            "HARNESS_CACHE_DIR": str(cache),
            "COLUMNS": "100",
            "NO_COLOR": "1",
        },
    )
