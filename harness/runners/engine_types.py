"""Values that the engine wrapper takes and gives; importable without the docker SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Progress = Callable[[str], None]
"""Called with one short line of text whenever something happened that a waiting user likes to see."""

LABEL = "harness"
"""Every image and container of ours carries this label; its value says what the thing is for."""


def silent(_line: str) -> None:
    """A progress callback that shows nothing."""


def label_filter(labels: Mapping[str, str | None]) -> list[str]:
    """Labels in the form of the engine's filters; None stands for any value."""
    return [key if value is None else f"{key}={value}" for key, value in labels.items()]


@dataclass(frozen=True)
class EngineInfo:
    """What the engine says about itself.

    Attributes:
        version: of the engine, e.g. "20.10.24".
        api: API version in use, e.g. "1.41".
        cgroup_version: "1" or "2".
        operating_system: e.g. "Debian GNU/Linux 12 (bookworm)".
        architecture: e.g. "x86_64".
        storage_driver: e.g. "overlay2".
        root_dir: where the engine keeps images, on its own machine.
        runtimes: names of the OCI runtimes.
        security_options: e.g. ("seccomp", "rootless").
        cdi_dirs: folders the engine reads device specifications from; empty where it does not know them.
        cdi_devices: names of the devices found there, where the engine tells.
        cpus: cores the engine can use.
        memory_mib: of the engine's machine.
        components: name -> version as the engine gives them: "runc", "containerd", "Podman Engine", ...
        default_runtime: the OCI runtime that containers get unless another is asked for.
        seccomp_profile: "default", "builtin", "unconfined" or a path; empty where the engine does not say.
        missing_limits: what the engine says that it cannot limit: "memory", "swap", "processes", "CPU".
        cpuset: it can keep containers on cores.
        nvidia_toolkit: version of the NVIDIA Container Toolkit on this machine; empty where there is none. Not from the engine.
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
        """The engine is Podman, which speaks Docker's language."""
        return any("podman" in name.lower() for name in self.components)

    @property
    def rootless(self) -> bool:
        """The engine itself runs without root rights."""
        return "rootless" in self.security_options

    @property
    def selinux(self) -> bool:
        """The engine labels containers with SELinux."""
        return "selinux" in self.security_options

    @property
    def remaps_users(self) -> bool:
        """Root in a container is an ordinary user of the engine's machine."""
        return self.rootless or "userns" in self.security_options


@dataclass(frozen=True)
class ImageInfo:
    """One local image.

    Attributes:
        id: "sha256:…", the digest of its configuration.
        tags: "name:tag" each.
        labels: all of them.
        size_bytes: on disk, shared layers included.
        created: ISO 8601 time.
    """

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    size_bytes: int
    created: str


@dataclass(frozen=True)
class GpuRequest:
    """GPUs for one container, in the form the engine takes.

    Attributes:
        path: "cdi" or "nvidia": by which way the engine hands them out.
        count: how many; -1 for all; None when ``ids`` are named.
        ids: UUIDs, indices or CDI names.
    """

    path: str
    count: int | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ContainerSpec:
    """What differs between our containers. What never differs, the lock-down, is the engine wrapper's own affair.

    Attributes:
        image: id or tag.
        name: unique; the container is looked up by it when the engine answers too late.
        labels: beside :data:`LABEL`.
        entrypoint: None for the image's own.
        command: arguments.
        environment: all variables there are, but for HOSTNAME.
        memory_mib: no swap on top.
        pids: processes and threads.
        cpus: cores' worth of time.
        cpuset: cores it may run on, e.g. "0-3"; None for all.
        tmpfs_mib: size of ``/tmp``, the one place that can be written to.
        shm_mib: size of ``/dev/shm``.
        read_only_files: host file -> path in the container.
        gpu: GPUs to hand in.
        selinux: relabel the files so that the container may read them.
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
    """What the engine says about one container.

    Attributes:
        id: of the container.
        name: without the leading slash.
        labels: all of them.
        running: it runs now.
        exit_code: meaningful once it does not run.
        oom_killed: the engine saw an out-of-memory kill.
        error: why it could not be started.
        pid: of its first process on the engine's machine; 0 when not running.
        host_config: limits and mounts as the engine took them, in the engine's own words and units.
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
