"""The runner that starts guests in locked-down containers."""

from __future__ import annotations

import math
import secrets
import stat
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.core.hardware import usable_cores
from harness.errors import GpuUnavailableError, SandboxError, UsageError
from harness.runners.base import GuestPaths, GuestSetup, Limits, RunnerFacts
from harness.runners.cores import core_list
from harness.runners.engine.cgroups import Cgroup
from harness.runners.engine.client import Engine
from harness.runners.engine.gpus import gpu_request
from harness.runners.engine.handle import DockerHandle, discard
from harness.runners.engine.init_process import InitProcess
from harness.runners.engine.reaper import owner_labels, remove_own_at_exit
from harness.runners.engine.types import ContainerSpec, ContainerState, EngineInfo, GpuRequest
from harness.runners.environment import guest_environment
from harness.runners.images.listing import PluginImage

ISOLATION = (
    "container: no network, read-only root, user 10001 without capabilities or new privileges, {filter}, limits on memory "
    "(no swap), processes, CPU, /tmp and /dev/shm; {kernel}"
)
SHARING_RUNTIMES = ("runc", "crun", "youki", "nvidia")
"""Name parts of OCI runtimes under which containers share the host's kernel."""
ARCHITECTURE_PATH = "/opt/architecture"
FILES_PATH = "/opt/shell"
SCRATCH = ("/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108  (the container's own)


class DockerRunner:
    """Runner for containers of one plugin's image.

    Args:
        engine: engine that runs the containers.
        image: image with the plugin.
        limits: limits of each container.
        gpus: ``none``, ``all``, a number, or UUIDs separated by commas.
        cpuset: cores the containers may run on, e.g. "0-3"; None for all.
        runtime: OCI runtime, as the engine names it; None for its default.
        name: of the runner, for the report.

    Raises:
        GpuUnavailableError: if GPUs are requested and the engine cannot pass them to containers.
        UsageError: if ``gpus`` is malformed, or the engine does not have the runtime.
    """

    def __init__(
        self,
        engine: Engine,
        image: PluginImage,
        limits: Limits | None = None,
        *,
        gpus: str = "none",
        cpuset: str | None = None,
        runtime: str | None = None,
        name: str = "docker",
    ) -> None:
        remove_own_at_exit(engine)
        self._name = name
        self._engine = engine
        self._image = image
        self._limits = limits or Limits()
        self._cpuset = cpuset
        self._info = engine.info()
        self._runtime = known_runtime(runtime, self._info)
        self._gpu = gpu_request(gpus, self._info)
        self._gpus_text = gpus
        self._effective: Mapping[str, Any] | None = None

    @property
    def image(self) -> PluginImage:
        """Return the image that its containers have."""
        return self._image

    @property
    def facts(self) -> RunnerFacts:
        """Return the report's facts; ``effective`` is known once a guest has started."""
        gpu = self._gpu
        return RunnerFacts(
            name=self._name,
            isolation=isolation(self._info, self._runtime),
            image=self._image.id,
            engine={**_engine_facts(self._info), "runtime": self._runtime or self._info.default_runtime},
            requested=self._limits,
            effective=self._effective,
            gpu=None if gpu is None else {"requested": self._gpus_text, "path": gpu.path, "ids": list(gpu.ids)},
            torch=self._image.guest.torch,
            python=self._image.guest.python,
        )

    @property
    def paths(self) -> GuestPaths:
        """Return the paths inside the container."""
        return GuestPaths(self._image.plugin_path, SCRATCH, ARCHITECTURE_PATH, FILES_PATH)

    @property
    def pins(self) -> bool:
        """Return True if the engine supports cpusets and has this machine's core numbers."""
        return self._info.cpuset and max(usable_cores()) < self._info.cpus

    @property
    def device(self) -> str:
        """Return "cuda" if GPUs are requested, else "cpu"."""
        return "cpu" if self._gpu is None else "cuda"

    def start(self, setup: GuestSetup) -> DockerHandle:
        """Start a container; return once bytes can be exchanged.

        Raises:
            SandboxError: if the engine failed.
            GpuUnavailableError: if the engine cannot pass the GPUs to the container.
        """
        for file in setup.files.values():
            _make_readable(file)
        container_id = self._engine.create(self._spec(setup))
        connection = None
        try:
            # Attached before the start, so that no output is lost.
            connection = self._engine.attach(container_id)
            self._engine.start(container_id)
            state = self._engine.inspect(container_id)
        except BaseException as error:
            discard(self._engine, container_id, connection)
            self._explain(error)
            raise
        init, cgroup = None, None
        if state is not None and state.running:
            init, cgroup = InitProcess.of(state.pid, container_id)
        if state is not None:
            self._effective = effective_limits(self._limits, state, cgroup)
        return DockerHandle(self._engine, container_id, connection, cgroup, init)

    def _explain(self, error: BaseException) -> None:
        """Raise GpuUnavailableError if the engine's message shows that it could not pass the GPUs to the container."""
        words = ("could not select device driver", "nvidia-container-cli", "unresolvable CDI devices")
        if self._gpu is not None and any(word in str(error) for word in words):
            raise GpuUnavailableError(
                f"--gpus {self._gpus_text}: the engine cannot pass GPUs through {self._gpu.path} ({error}). "
                "Check `nvidia-smi` on the host and the installation of the NVIDIA Container Toolkit, or use `--gpus none`"
            ) from error

    def _spec(self, setup: GuestSetup) -> ContainerSpec:
        limits = self._limits
        gpu = self._gpu if setup.gpus is None else gpu_request(setup.gpus, self._info)
        return ContainerSpec(
            image=self._image.id,
            name=f"harness-{setup.run_id[:40]}-{secrets.token_hex(6)}",
            labels=owner_labels(setup.run_id, setup.deadline_s),
            environment=self._environment(gpu),
            memory_mib=limits.memory_mib,
            pids=limits.pids,
            cpus=None if limits.cpus is None else min(limits.cpus, float(self._info.cpus)),
            cpuset=self._cpuset if setup.cores is None else core_list(setup.cores),
            tmpfs_mib=limits.tmpfs_mib,
            shm_mib=limits.shm_mib,
            read_only_files=_mounted(setup),
            gpu=gpu,
            selinux=self._info.selinux,
            runtime=self._runtime,
        )

    def _environment(self, gpu: GpuRequest | None) -> dict[str, str]:
        """Return all environment variables of the container."""
        threads = max(1, math.floor(min(self._limits.cpus or self._info.cpus, self._info.cpus)))
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", **guest_environment(SCRATCH[0], threads)}
        # If NVIDIA's is the default runtime, a variable of the base image would pass every GPU to the container.
        return variables if gpu is not None else {**variables, "NVIDIA_VISIBLE_DEVICES": "void"}


def isolation(info: EngineInfo, runtime: str | None) -> str:
    """Describe the isolation of containers under ``runtime`` (None for the default) in one sentence for the report."""
    unfiltered = "seccomp" not in info.security_options or info.seccomp_profile == "unconfined"
    own = info.seccomp_profile.startswith("/")
    name = runtime or info.default_runtime
    shared = not name or any(part in name for part in SHARING_RUNTIMES)
    return ISOLATION.format(
        filter="no seccomp filter from the engine" if unfiltered else f"{'own' if own else 'default'} seccomp filter",
        kernel="the kernel is shared with the host" if shared else f"the kernel is isolated by {name}",
    )


def known_runtime(name: str | None, info: EngineInfo) -> str | None:
    """Return ``name`` if the engine has this runtime.

    Raises:
        UsageError: if it does not.
    """
    # containerd shims are usable without being listed; the engine reports an unknown one on use.
    if name is not None and name not in info.runtimes and not name.startswith("io.containerd."):
        raise UsageError(
            f"--runtime {name}: the engine {info.version} has no such runtime; available: {', '.join(info.runtimes) or 'none'}. "
            "Install it, add it under `runtimes` in the engine's configuration (/etc/docker/daemon.json) and restart the "
            "engine; `docker info` lists its runtimes."
        )
    return name


def effective_limits(requested: Limits, state: ContainerState, cgroup: Cgroup | None) -> dict[str, Any]:
    """Return the limits in force, by the keys of :class:`Limits`, read from the kernel if possible, else from the engine.

    Limits that the harness itself enforces (``log_bytes``) are as requested.
    """
    config: Mapping[str, Any] = state.host_config
    nano_cpus = int(config.get("NanoCpus") or 0)
    engine: dict[str, Any] = {
        "memory_mib": (int(config.get("Memory") or 0) >> 20) or None,
        "pids": config.get("PidsLimit") if (config.get("PidsLimit") or 0) > 0 else None,
        "cpus": nano_cpus / 1e9 if nano_cpus else None,
    }
    kernel = {} if cgroup is None else {"memory_mib": cgroup.memory_mib(), "pids": cgroup.pids(), "cpus": cgroup.cpus()}
    return {
        **asdict(requested),
        **engine,
        **kernel,
        "tmpfs_mib": requested.tmpfs_mib if SCRATCH[0] in (config.get("Tmpfs") or {}) else None,
        "shm_mib": int(config.get("ShmSize") or 0) >> 20,
    }


def _mounted(setup: GuestSetup) -> dict[Path, str]:
    """Return the bind mounts: the files of a shell and, if any, the task's architecture module."""
    files = {path.resolve(): f"{FILES_PATH}/{name}" for name, path in setup.files.items()}
    return files if setup.architecture is None else {**files, setup.architecture.resolve(): ARCHITECTURE_PATH}


def _engine_facts(info: EngineInfo) -> dict[str, Any]:
    return {
        "version": info.version,
        "api": info.api,
        "cgroup": info.cgroup_version,
        "operating_system": info.operating_system,
        "storage_driver": info.storage_driver,
        "security_options": list(info.security_options),
        "rootless": info.rootless,
    }


def _make_readable(file: Path) -> None:
    """Make the file world-readable, because the container's user is not a user of the host."""
    try:
        mode = file.stat().st_mode
        if not mode & stat.S_IROTH:
            file.chmod(stat.S_IMODE(mode) | stat.S_IRGRP | stat.S_IROTH)
    except OSError as error:
        raise SandboxError(f"the file {file} could not be made readable for the sandbox's user: {error}") from error
