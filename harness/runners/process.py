"""The runner without isolation: each guest is an ordinary process of this user.

It is meant for development and for trusted plugins. It uses the same protocol as containers do.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import platform
import shutil
import tempfile
from dataclasses import astuple, fields
from pathlib import Path

from harness.errors import SandboxError
from harness.runners.base import GuestHandle, GuestPaths, GuestSetup, Limits, RunnerFacts
from harness.runners.engine.owners import Owner
from harness.runners.environment import guest_environment
from harness.runners.process_handle import ProcessHandle

FOLDER = "harness-guest-"
SEPARATOR = ","  # never occurs in tempfile's random names
SCRATCH = "tmp"
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME")


class ProcessRunner:
    """Runner that starts guests as plain processes.

    Args:
        plugin_path: folder appended to the guest's ``sys.path``; None if the plugin is installed in this environment.
        threads: number of torch threads in a model's process.
        limits: requested limits; only ``log_bytes`` is enforced.
        device: "cpu" or "cuda".
    """

    def __init__(self, plugin_path: Path | None, threads: int, limits: Limits, device: str = "cpu") -> None:
        self._plugin_path = plugin_path
        self._threads = threads
        self._limits = limits
        self._device = device

    @property
    def facts(self) -> RunnerFacts:
        """Return the report's facts about this runner."""
        return RunnerFacts(
            name="process",
            isolation="none: the plugin ran as an ordinary process of this user, with network and disk",
            image=None,
            engine={},
            requested=self._limits,
            effective={
                "memory_mib": None,
                "pids": None,
                "cpus": None,
                "tmpfs_mib": None,
                "shm_mib": None,
                "log_bytes": self._limits.log_bytes,
            },
            torch=importlib.metadata.version("torch"),
            python=platform.python_version(),
        )

    @property
    def paths(self) -> GuestPaths:
        """Return the paths, relative to the guest's own temporary folder."""
        plugin = None if self._plugin_path is None else str(self._plugin_path.resolve())
        return GuestPaths(plugin, (SCRATCH,))

    @property
    def pins(self) -> bool:
        """Return True if the operating system supports CPU affinity."""
        return hasattr(os, "sched_setaffinity")

    @property
    def device(self) -> str:
        """Return "cpu" or "cuda"."""
        return self._device

    def start(self, setup: GuestSetup) -> GuestHandle:
        """Start a guest in a new temporary folder.

        Raises:
            SandboxError: if the process could not be started.
        """
        try:
            folder, hold = held_folder(setup.run_id)
        except OSError as error:
            raise SandboxError(
                f"The guest's temporary folder could not be created: {error}. Check TMPDIR and its free space."
            ) from error
        try:
            (folder / SCRATCH).mkdir()
            if setup.architecture is not None:
                (folder / self.paths.architecture_path).symlink_to(setup.architecture.resolve())
            for name, path in setup.files.items():
                (folder / self.paths.files_path).mkdir(exist_ok=True)
                (folder / self.paths.files_path / name).symlink_to(path.resolve())
            return ProcessHandle(folder, self._environment(folder, setup.gpus), hold=hold, cores=setup.cores)
        except OSError as error:
            let_go(folder, hold)
            raise SandboxError(
                f"The guest's process could not be started: {error}. Check free memory and disk space."
            ) from error
        except BaseException:
            let_go(folder, hold)
            raise

    def _environment(self, folder: Path, gpus: str | None = None) -> dict[str, str]:
        """Return only an explicit set of variables, so that secrets in the user's shell do not reach the plugin."""
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= guest_environment(str(folder / SCRATCH), self._threads)
        if path := python_path():
            environment["PYTHONPATH"] = path
        if self._device == "cpu":
            environment["CUDA_VISIBLE_DEVICES"] = ""
        elif gpus is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpus
        return environment


def python_path() -> str:
    """Return the user's PYTHONPATH with absolute folders: guests may need it to find the harness or the plugin."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(str(Path(entry).resolve()) for entry in entries if entry)


def held_folder(run_id: str = "") -> tuple[Path, int]:
    """Create a locked temporary folder, named after a run; return it and the descriptor that holds the lock.

    The kernel releases the lock when this process ends, however it ends.
    """
    made = Path(tempfile.mkdtemp(prefix=f".{FOLDER}{SEPARATOR.join(astuple(Owner.current()))}{SEPARATOR}"))
    hold = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(hold, fcntl.LOCK_EX)
    # Renamed only once locked: under its final name the folder never appears unlocked.
    return made.rename(made.with_name(f"{FOLDER}{of_run(run_id)}{made.name.rpartition(SEPARATOR)[2]}")), hold


def of_run(run_id: str) -> str:
    """Return the part of a folder's name that tells its run."""
    return f"{run_id[:40]}-" if run_id else ""


def maker_of(folder: Path) -> Owner | None:
    """Return the process that is creating this guest folder, as encoded in its provisional name; None if it is not."""
    parts = folder.name.removeprefix(f".{FOLDER}").split(SEPARATOR)
    return Owner(*parts[:-1]) if len(parts) == len(fields(Owner)) + 1 else None


def let_go(folder: Path, hold: int) -> None:
    """Delete a folder of :func:`held_folder` and release its lock."""
    shutil.rmtree(folder, ignore_errors=True)
    os.close(hold)
