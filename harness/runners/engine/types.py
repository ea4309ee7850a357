"""Argument and result types of the engine wrapper; importable without the docker SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Progress = Callable[[str], None]
"""Callback for one line of progress text."""

LABEL = "harness"
"""Label on every image and container of the harness; its value is the purpose."""


def silent(_line: str) -> None:
    """Ignore the line: a no-op progress callback."""


def label_filter(labels: Mapping[str, str | None]) -> list[str]:
    """Return labels in the format of the engine's filters; None matches any value."""
    return [key if value is None else f"{key}={value}" for key, value in labels.items()]


@dataclass(frozen=True)
class EngineInfo:
    """Properties of the engine, as it reports them.

    Attributes:
        version: engine version, e.g. "20.10.24".
        api: API version in use, e.g. "1.41".
        cgroup_version: "1" or "2".
        operating_system: e.g. "Debian GNU/Linux 12 (bookworm)".
        architecture: e.g. "x86_64".
        storage_driver: e.g. "overlay2".
        root_dir: folder in which the engine stores images, on its own machine.
        runtimes: names of the configured OCI runtimes.
        security_options: e.g. ("seccomp", "rootless").
        cdi_dirs: folders of CDI device specifications; empty if the engine does not support them.
        cdi_devices: names of the CDI devices, if the engine lists them.
        cpus: number of cores of the engine's machine.
        memory_mib: memory of the engine's machine.
        components: name -> version, e.g. of "runc", "containerd", "Podman Engine".
        default_runtime: OCI runtime used if none is requested.
        seccomp_profile: "default", "builtin", "unconfined" or a path; empty if not reported.
        missing_limits: limits that the engine cannot enforce: "memory", "swap", "processes", "CPU".
        cpuset: the engine can pin containers to cores.
        nvidia_toolkit: version of the NVIDIA Container Toolkit on this machine, empty if absent; not reported by the engine.
    """

    version: str
    api: str
    cgroup_version: str
    operating_system: str = ""
    architecture: str = ""
    storage_driver: str = ""
    root_dir: str = ""
    runtimes: tuple[str, ...] = ()
    security_options: tuple[str, ...] = ()
    cdi_dirs: tuple[str, ...] = ()
    cdi_devices: tuple[str, ...] = ()
    cpus: int = 1
    memory_mib: int = 0
    components: Mapping[str, str] = field(default_factory=dict)
    default_runtime: str = ""
    seccomp_profile: str = ""
    missing_limits: tuple[str, ...] = ()
    cpuset: bool = True
    nvidia_toolkit: str = ""

    @property
    def podman(self) -> bool:
        """Return True if the engine is Podman with its Docker-compatible API."""
        return any("podman" in name.lower() for name in self.components)

    @property
    def rootless(self) -> bool:
        """Return True if the engine itself runs without root privileges."""
        return "rootless" in self.security_options

    @property
    def selinux(self) -> bool:
        """Return True if the engine labels containers with SELinux."""
        return "selinux" in self.security_options

    @property
    def remaps_users(self) -> bool:
        """Return True if root in a container is mapped to an ordinary user of the engine's machine."""
        return self.rootless or "userns" in self.security_options


@dataclass(frozen=True)
class ImageInfo:
    """A local image.

    Attributes:
        id: "sha256:…", the digest of its configuration.
        tags: its names, each "name:tag".
        labels: all labels.
        size_bytes: size on disk, shared layers included.
        created: creation time, ISO 8601.
    """

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    size_bytes: int
    created: str


@dataclass(frozen=True)
class GpuRequest:
    """A request for GPUs in the engine's format.

    Attributes:
        path: mechanism: "cdi" or "nvidia".
        count: number of GPUs; -1 for all; None if ``ids`` is given.
        ids: UUIDs, indices or CDI names.
    """

    path: str
    count: int | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ContainerSpec:
    """Configurable properties of a container. The fixed security options are in :mod:`harness.runners.engine.lockdown`.

    Attributes:
        image: id or tag.
        name: unique name; if creation times out, the container is looked up by it.
        labels: labels besides :data:`LABEL`.
        entrypoint: None for the image's own.
        command: arguments of the entrypoint.
        environment: all environment variables, except HOSTNAME.
        memory_mib: memory limit in MiB; no swap is added.
        pids: limit on processes and threads.
        cpus: limit on CPU time, in cores.
        cpuset: cores it may run on, e.g. "0-3"; None for all.
        tmpfs_mib: size of ``/tmp``, the only writable folder.
        shm_mib: size of ``/dev/shm``.
        read_only_files: host file -> path in the container.
        gpu: requested GPUs; None for none.
        selinux: relabel the mounted files so that the container may read them.
        runtime: OCI runtime; None for the engine's default.
    """

    image: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_mib: int | None = None
    pids: int | None = None
    cpus: float | None = None
    cpuset: str | None = None
    tmpfs_mib: int | None = None
    shm_mib: int | None = None
    read_only_files: Mapping[Path, str] = field(default_factory=dict)
    gpu: GpuRequest | None = None
    selinux: bool = False
    runtime: str | None = None


@dataclass(frozen=True)
class ContainerState:
    """State of one container, as reported by the engine.

    Attributes:
        id: container ID.
        name: name without the leading slash.
        labels: all labels.
        running: the container is running.
        exit_code: exit status; None if it runs or never started.
        oom_killed: the engine noticed an out-of-memory kill.
        error: why the container could not be started.
        pid: PID of its init process on the engine's machine; 0 if not running.
        host_config: limits and mounts in force, with the engine's own keys and units.
    """

    id: str
    name: str
    labels: Mapping[str, str]
    running: bool
    exit_code: int | None
    oom_killed: bool
    error: str
    pid: int
    host_config: Mapping[str, object]
