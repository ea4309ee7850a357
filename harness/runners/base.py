"""The runner interface. A runner starts guests; :mod:`harness.runners.session.session` exchanges messages with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Limits:
    """Resource limits of a guest. The report contains them twice: as requested and as found in force.

    Attributes:
        memory_mib: memory of the container, MiB, without swap; None if the runner cannot limit it.
        pids: number of processes and threads.
        cpus: CPU time, in cores.
        tmpfs_mib: size of ``/tmp``, MiB; counts towards memory.
        shm_mib: size of ``/dev/shm``, MiB; counts towards memory.
        log_bytes: output kept per model, head and tail together, bytes.
    """

    memory_mib: int | None = 8192
    pids: int | None = 512
    cpus: float | None = None
    tmpfs_mib: int | None = 1024
    shm_mib: int | None = 1024
    log_bytes: int = 1 << 17


@dataclass(frozen=True)
class GuestExit:
    """Exit of a guest (the whole container or process).

    Attributes:
        exit_code: exit status; after a signal its negative number or 128 + signal, depending on the runner; None if unknown.
        oom_killed: the kernel's out-of-memory killer killed a process in it.
        stderr: last 8 KiB of the guest's own error stream, decoded and with control characters escaped.
        notes: problems during teardown.
    """

    exit_code: int | None
    oom_killed: bool = False
    stderr: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beside:
    """A program to run in a guest's sandbox, on this process's standard streams.

    Attributes:
        command: with its arguments.
        folder: its working directory; None for this process's.
        environment: all of its variables; None for this process's.
    """

    command: Sequence[str]
    folder: Path | None = None
    environment: Mapping[str, str] | None = None


class GuestHandle(Protocol):
    """A running guest. All methods are called from one thread, except :meth:`kill`, which any thread may call."""

    @property
    def read_fd(self) -> int:
        """Return a file descriptor to poll; while it is readable, :meth:`read` does not block."""

    @property
    def write_fd(self) -> int:
        """Return a file descriptor to poll; while it is writable, :meth:`write` accepts at least one byte."""

    def read(self, max_bytes: int) -> bytes | None:
        """Return protocol bytes from the guest: ``b""`` at the end of the stream, None if there are none yet."""

    def write(self, data: memoryview) -> int:
        """Send as much as possible without blocking; return the number of bytes accepted, 0 if it would block."""

    def oom_kills(self) -> int:
        """Return the number of out-of-memory kills in this guest so far; 0 if unknown."""

    def refused_forks(self) -> int | None:
        """Return the number of forks that the process limit has refused so far; None if unknown."""

    def cpu_s(self) -> float | None:
        """Return the guest's CPU seconds so far, measured by the host; None if the host cannot measure them."""

    def processes(self) -> int | None:
        """Return the number of living processes in the guest, its first included; 0 once it has ended, None if unknown."""

    def move(self, cores: tuple[int, ...]) -> None:
        """Pin the guest to these cores. Only called while no plugin code runs in it.

        Raises:
            SandboxError: if it could not be moved.
        """

    def beside(self, arguments: Sequence[str], *, interactive: bool) -> Beside:
        """Return how to run Python with ``arguments`` in the guest's sandbox; it is killed with the guest.

        Args:
            arguments: arguments of the guest's Python interpreter.
            interactive: the program needs a terminal.

        Raises:
            SandboxError: the engine's command-line client is missing.
        """

    def kill(self) -> None:
        """Kill the guest and everything in it. Never raises; may be called repeatedly and from any thread."""

    def close(self) -> GuestExit:
        """Kill and remove the guest; return how it ended. Takes bounded time; may be called repeatedly."""


@dataclass(frozen=True)
class GuestSetup:
    """Arguments for starting a guest, independent of the runner.

    Attributes:
        run_id: ID of the run, used in labels and names.
        deadline_s: seconds from now after which any later run may reap the guest as orphaned.
        cores: core numbers to pin the guest to; None for no pinning.
        gpus: devices of this guest, in the form of ``--gpus``; None for the runner's default.
        architecture: folder with the code and initial weights of the task's own network (host path); None if it has none.
        files: name -> host path of read-only files for ``harness shell``.
    """

    run_id: str
    deadline_s: float = 86_400.0
    cores: tuple[int, ...] | None = None
    gpus: str | None = None
    architecture: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class RunnerFacts:
    """Description of the runner for the report.

    Attributes:
        name: as of ``--runner``: "docker", "podman", "process" or a plugin's.
        isolation: one sentence on which protections hold and which do not.
        requested: limits as requested.
        image: digest of the image; None for the process runner.
        engine: versions and properties of the container engine, e.g. {"version": "20.10.24", "cgroup": "1"}.
        effective: limits found in force on the started container, same keys as ``requested``; None if unknown.
        gpu: GPUs passed to the guest and the mechanism; None on CPU.
        torch: torch version inside the sandbox.
        python: Python version inside the sandbox.
    """

    name: str
    isolation: str
    requested: Limits
    image: str | None = None
    engine: Mapping[str, Any] = field(default_factory=dict)
    effective: Mapping[str, Any] | None = None
    gpu: Mapping[str, Any] | None = None
    torch: str | None = None
    python: str | None = None


@dataclass(frozen=True)
class GuestPaths:
    """Paths as seen by the guest, for its HELLO frame."""

    plugin_path: str | None
    scratch: tuple[str, ...] = ()
    architecture_path: str = "architecture"
    files_path: str = "shell"


@dataclass(frozen=True)
class PluginFacts:
    """Metadata of an unlearner, read without importing it.

    Attributes:
        name: entry-point name.
        value: entry point, "module:attribute".
        distribution: name of the distribution that provides it.
        version: version of the distribution.
        origin: "installed", "editable", "wheel", "source", "script", "requirement" or "bundled".
        location: path or requirement that it was loaded from.
        files: path -> SHA-256 hex digest of each file of the plugin's distribution.
        digest: SHA-256 over ``files`` and the versions of all dependencies in the image layer.
        dependencies: name -> version of each distribution installed with it in the sandbox.
    """

    name: str
    value: str
    distribution: str
    version: str
    origin: str
    location: str
    files: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    dependencies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PluginBundle:
    """A plugin's metadata and the wheels that are installed into the sandbox for it.

    Attributes:
        facts: metadata of the plugin.
        wheels: host paths in the cache, dependencies first, the plugin's own last.
    """

    facts: PluginFacts
    wheels: tuple[Path, ...]


class Runner(Protocol):
    """Factory of guests for one plugin. It is prepared once and then starts any number of guests."""

    @property
    def facts(self) -> RunnerFacts:
        """Return the report's facts about the runner; complete once the first guest has started."""

    @property
    def paths(self) -> GuestPaths:
        """Return the paths inside a started guest."""

    @property
    def pins(self) -> bool:
        """Return True if the runner can pin guests to cores."""

    @property
    def device(self) -> str:
        """Return the device guests compute on: "cpu" or "cuda"."""

    def start(self, setup: GuestSetup) -> GuestHandle:
        """Start a guest; return once bytes can be exchanged.

        Raises:
            SandboxError: if the engine failed.
        """
