"""The runner without isolation: the guest is an ordinary process of this user. For development, and for one's own plugins.

It speaks the same protocol as a container does, so that everything but the walls is exercised.
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
from harness.runners.environment import guest_environment
from harness.runners.owners import Owner
from harness.runners.process_handle import ProcessHandle

FOLDER = "harness-guest-"
SEPARATOR = ","  # in no random part of a name that tempfile makes
SCRATCH = "tmp"
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME")


class ProcessRunner:
    """Starts guests as plain processes.

    Args:
        plugin_path: folder that is appended to ``sys.path`` for the plugin; None where it is installed here.
        threads: of torch in a model's process.
        limits: as asked for; only ``log_bytes`` holds here.
        device: "cpu" or "cuda".
    """

    def __init__(self, plugin_path: Path | None, threads: int, limits: Limits, device: str = "cpu") -> None:
        self._plugin_path = plugin_path
        self._threads = threads
        self._limits = limits
        self._device = device

    @property
    def facts(self) -> RunnerFacts:
        """What the report says."""
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
        """Relative to the guest's own folder, which is another one for every guest."""
        plugin = None if self._plugin_path is None else str(self._plugin_path.resolve())
        return GuestPaths(plugin, (SCRATCH,))

    @property
    def pins(self) -> bool:
        """Where the system can keep processes on cores."""
        return hasattr(os, "sched_setaffinity")

    @property
    def device(self) -> str:
        """What guests compute on."""
        return self._device

    def start(self, setup: GuestSetup) -> GuestHandle:
        """Start a guest in a new temporary folder.

        Raises:
            SandboxError: the process could not be started.
        """
        try:
            folder, hold = held_folder()
        except OSError as error:
            raise SandboxError(f"No temporary folder can be made for the guest: {error}.") from error
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
                f"The guest's process could not be started: {error}. Is memory or disk short?"
            ) from error
        except BaseException:
            let_go(folder, hold)
            raise

    def _environment(self, folder: Path, gpus: str | None = None) -> dict[str, str]:
        """Named variables only: what a user's shell holds is nothing for a plugin."""
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
    """Return the user's PYTHONPATH with absolute folders, by which alone guests may find the harness or a plugin."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(str(Path(entry).resolve()) for entry in entries if entry)


def held_folder() -> tuple[Path, int]:
    """Return a new temporary folder and a descriptor that locks it; the kernel ends the lock with this process."""
    made = Path(tempfile.mkdtemp(prefix=f".{FOLDER}{SEPARATOR.join(astuple(Owner.current()))}{SEPARATOR}"))
    hold = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(hold, fcntl.LOCK_EX)
    # Under its final name it is never seen without its lock.
    return made.rename(made.with_name(f"{FOLDER}{made.name.rpartition(SEPARATOR)[2]}")), hold


def maker_of(folder: Path) -> Owner | None:
    """Return the process that makes a guest's folder which has not got its name yet; None where its name does not say."""
    parts = folder.name.removeprefix(f".{FOLDER}").split(SEPARATOR)
    return Owner(*parts[:-1]) if len(parts) == len(fields(Owner)) + 1 else None


def let_go(folder: Path, hold: int) -> None:
    """Delete a folder of :func:`held_folder` and its lock."""
    shutil.rmtree(folder, ignore_errors=True)
    os.close(hold)
