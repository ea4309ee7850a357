"""What every runner offers. A runner starts guests; the conversation with one is :mod:`harness.runners.session`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Limits:
    """What a guest may use. In the report twice: as asked for, and as found in force.

    Attributes:
        memory_mib: of the container, no swap; None where the runner cannot limit it.
        pids: processes and threads.
        cpus: CPU cores.
        tmpfs_mib: size of ``/tmp``; counts towards memory.
        shm_mib: size of ``/dev/shm``; counts towards memory.
        log_bytes: kept output per model, head and tail together.
    """

    memory_mib: int | None = 8192
    pids: int | None = 512
    cpus: float | None = None
    tmpfs_mib: int | None = 1024
    shm_mib: int | None = 1024
    log_bytes: int = 1 << 17


@dataclass(frozen=True)
class GuestExit:
    """How a guest (the whole container or process) ended.

    Attributes:
        exit_code: exit status; negative signal number, or 128 + signal, as the runner's system reports it; None unknown.
        oom_killed: the kernel's out-of-memory killer struck in it.
        stderr: last 8 KiB of what the guest itself wrote to its error stream, decoded, made harmless.
        notes: troubles of teardown.
    """

    exit_code: int | None
    oom_killed: bool = False
    stderr: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beside:
    """A program that is to run beside a guest, on this process's own standard streams.

    Attributes:
        command: with its arguments.
        folder: its working directory; None for this process's.
        environment: all of its variables; None for this process's.
    """

    command: Sequence[str]
    folder: Path | None = None
    environment: Mapping[str, str] | None = None


class GuestHandle(Protocol):
    """A running guest. All calls are made from one thread but :meth:`kill`, which may come from any."""

    @property
    def read_fd(self) -> int:
        """A file descriptor to poll; when it is readable, :meth:`read` returns without waiting."""

    @property
    def write_fd(self) -> int:
        """A file descriptor to poll; when it is writable, :meth:`write` takes at least one byte without waiting."""

    def read(self, max_bytes: int) -> bytes | None:
        """Protocol bytes from the guest: ``b""`` at the end of the stream, None when there is nothing yet."""

    def write(self, data: memoryview) -> int:
        """Send what fits without waiting; returns how many bytes were taken, 0 when it would wait."""

    def oom_kills(self) -> int:
        """How many times the out-of-memory killer has struck in this guest so far; 0 where that cannot be told."""

    def refused_forks(self) -> int | None:
        """How many processes and threads the limit on them has refused so far; None where that cannot be told."""

    def cpu_s(self) -> float | None:
        """Processor seconds of this guest so far, as the host can count them by itself; None where it cannot."""

    def move(self, cores: tuple[int, ...]) -> None:
        """Let the guest run on these cores and no others from now on; only while nothing of a plugin runs in it.

        Raises:
            SandboxError: it could not be moved.
        """

    def beside(self, arguments: Sequence[str], *, interactive: bool) -> Beside:
        """Return how to run Python with ``arguments`` beside the guest: isolated and limited as it is, and gone when it is gone.

        Args:
            arguments: of the guest's Python.
            interactive: it is to have a terminal.

        Raises:
            SandboxError: the engine's command-line client is missing.
        """

    def kill(self) -> None:
        """Kill the guest and everything in it, now. Never raises; may be called more than once and from any thread."""

    def close(self) -> GuestExit:
        """Make sure that it is dead and gone, and tell how it ended. Bounded in time; may be called more than once."""


@dataclass(frozen=True)
class GuestSetup:
    """What is needed to start a guest, whatever the runner.

    Attributes:
        run_id: for labels and names.
        deadline_s: seconds from now after which the guest is surely forgotten and may be reaped by any later run.
        cores: numbers of the cores that it may run on; None for wherever the system puts it.
        gpus: devices of this guest, as ``--gpus`` has them; None for the runner's own.
        architecture: folder with the module of the task's own network (host path); None where it has none.
        files: name -> host path of files for ``harness shell``, which the guest may only read.
    """

    run_id: str
    deadline_s: float = 86_400.0
    cores: tuple[int, ...] | None = None
    gpus: str | None = None
    architecture: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class RunnerFacts:
    """What the report says about the runner.

    Attributes:
        name: "docker" or "process".
        isolation: one sentence about what holds and what does not.
        image: digest of the image, None for the process runner.
        engine: versions and properties of the container engine, e.g. {"version": "20.10.24", "cgroup": "1"}.
        requested: limits as asked for.
        effective: limits as found in force on the started container, same keys as ``requested``; None where not known.
        gpu: which GPUs the guest was given and by which path; None on CPU.
        torch: version inside the sandbox, python likewise.
    """

    name: str
    isolation: str
    image: str | None
    engine: Mapping[str, Any]
    requested: Limits
    effective: Mapping[str, Any] | None = None
    gpu: Mapping[str, Any] | None = None
    torch: str | None = None
    python: str | None = None


@dataclass(frozen=True)
class GuestPaths:
    """Where things lie as the guest sees them, for its HELLO frame."""

    plugin_path: str | None
    scratch: tuple[str, ...] = ()
    architecture_path: str = "architecture"
    files_path: str = "shell"


@dataclass(frozen=True)
class PluginFacts:
    """What is known of an unlearner without importing it.

    Attributes:
        name: entry-point name.
        value: entry point, "module:attribute".
        distribution: name of the distribution that provides it.
        version: of the distribution.
        origin: "installed", "editable", "wheel", "source", "requirement" or "bundled".
        location: path or requirement it was taken from.
        files: SHA-256 per file of the plugin's distribution, path -> hex digest.
        digest: SHA-256 over ``files`` and the versions of all dependencies in the layer.
        dependencies: name -> version of what is installed beside it in the sandbox.
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
    """All that goes into the sandbox for one plugin.

    Attributes:
        facts: what is known of it.
        wheels: host paths, dependencies first, the plugin's own last; they stay in the cache.
    """

    facts: PluginFacts
    wheels: tuple[Path, ...]


class Runner(Protocol):
    """Starts guests for one plugin. Made ready once, then asked for guests as often as needed."""

    @property
    def facts(self) -> RunnerFacts:
        """What the report says; complete after the first guest was started."""

    @property
    def paths(self) -> GuestPaths:
        """Where things lie in a started guest."""

    @property
    def pins(self) -> bool:
        """Whether guests stay on the cores that they are given."""

    @property
    def device(self) -> str:
        """ "cpu" or "cuda", what guests compute on."""

    def start(self, setup: GuestSetup) -> GuestHandle:
        """Start a guest; returns when bytes can be exchanged.

        Raises:
            SandboxError: the engine failed.
        """
