"""Starts guests in locked-down containers."""

from __future__ import annotations

import math
import secrets
import stat
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import GpuUnavailableError, SandboxError, UsageError
from harness.hardware import usable_cores
from harness.runners.base import GuestPaths, GuestSetup, Limits, RunnerFacts
from harness.runners.cgroups import Cgroup
from harness.runners.docker_handle import DockerHandle, discard
from harness.runners.engine import Engine
from harness.runners.engine_types import ContainerSpec, ContainerState, EngineInfo, GpuRequest
from harness.runners.environment import guest_environment
from harness.runners.gpus import gpu_request
from harness.runners.images import PluginImage
from harness.runners.init_process import InitProcess
from harness.runners.reaper import owner_labels, remove_own_at_exit
from harness.runners.seats import core_list

ISOLATION = (
    "container: no network, read-only root, user 10001 without capabilities or new privileges, {filter}, limits on memory "
    "(no swap), processes, CPU, /tmp and /dev/shm; {kernel}"
)
SHARING_RUNTIMES = ("runc", "crun", "youki", "nvidia")
"""OCI runtimes, by a part of their names, under which a container runs on the host's kernel."""
ARCHITECTURE_PATH = "/opt/architecture"
FILES_PATH = "/opt/shell"
SCRATCH = ("/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108  (the container's own)


class DockerRunner:
    """Containers of one plugin's image on one engine.

    Args:
        engine: where they run.
        image: the plugin's.
        limits: of each container.
        gpus: ``none``, ``all``, a number, or UUIDs separated by commas.
        cpuset: cores the containers may run on, e.g. "0-3"; None for all.
        runtime: OCI runtime, as the engine names it; None for its default.

    Raises:
        GpuUnavailableError: GPUs are asked for and the engine has no way to hand them out.
        UsageError: ``gpus`` is none of its forms, or the engine has no such runtime.
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
    ) -> None:
        remove_own_at_exit(engine)
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
    def facts(self) -> RunnerFacts:
        """What the report says; ``effective`` is known once a guest was started."""
        gpu = self._gpu
        return RunnerFacts(
            name="docker",
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
        """Where things lie in the container."""
        return GuestPaths(self._image.plugin_path, SCRATCH, ARCHITECTURE_PATH, FILES_PATH)

    @property
    def pins(self) -> bool:
        """Guests stay on the cores that they are given: the engine can do it, and numbers its cores as this machine does."""
        return self._info.cpuset and max(usable_cores()) < self._info.cpus

    @property
    def device(self) -> str:
        """ "cuda" when GPUs are handed in."""
        return "cpu" if self._gpu is None else "cuda"

    def start(self, setup: GuestSetup) -> DockerHandle:
        """Start a container; bytes can be exchanged when this returns.

        Raises:
            SandboxError: the engine failed.
            GpuUnavailableError: the engine cannot hand out the GPUs.
        """
        for file in setup.files.values():
            _make_readable(file)
        container_id = self._engine.create(self._spec(setup))
        connection = None
        try:
            # Attached before the start, so that no byte is lost.
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
        """Raise GpuUnavailableError where the engine's words say that it could not hand out the GPUs."""
        words = ("could not select device driver", "nvidia-container-cli", "unresolvable CDI devices")
        if self._gpu is not None and any(word in str(error) for word in words):
            raise GpuUnavailableError(
                f"--gpus {self._gpus_text}: the engine cannot hand out the GPUs by way of {self._gpu.path} ({error}). "
                "Check `nvidia-smi` on the host and the NVIDIA Container Toolkit's installation; or use `--gpus none`"
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
        """Return all variables of the container."""
        threads = max(1, math.floor(min(self._limits.cpus or self._info.cpus, self._info.cpus)))
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", **guest_environment(SCRATCH[0], threads)}
        # Where NVIDIA's is the default runtime, a base image's own variable would hand in every GPU.
        return variables if gpu is not None else {**variables, "NVIDIA_VISIBLE_DEVICES": "void"}


def isolation(info: EngineInfo, runtime: str | None) -> str:
    """What isolates containers of this engine under ``runtime``, None for its default, in one sentence for the report."""
    unfiltered = "seccomp" not in info.security_options or info.seccomp_profile == "unconfined"
    own = info.seccomp_profile.startswith("/")
    name = runtime or info.default_runtime
    shared = not name or any(part in name for part in SHARING_RUNTIMES)
    return ISOLATION.format(
        filter="no seccomp filter of the engine's" if unfiltered else f"{'own' if own else 'default'} seccomp filter",
        kernel="the kernel is shared with the host" if shared else f"between it and the host's kernel stands {name}",
    )


def known_runtime(name: str | None, info: EngineInfo) -> str | None:
    """The runtime that was asked for.

    Raises:
        UsageError: the engine does not have it.
    """
    # Names of containerd's shims need not be listed; the engine itself says whether it has one.
    if name is not None and name not in info.runtimes and not name.startswith("io.containerd."):
        raise UsageError(
            f"--runtime {name}: the engine {info.version} has no such runtime; it has {', '.join(info.runtimes) or 'none'}. "
            "Install it and add it under `runtimes` in the engine's configuration (/etc/docker/daemon.json), then restart the "
            "engine; `docker info` lists what it has."
        )
    return name


def effective_limits(requested: Limits, state: ContainerState, cgroup: Cgroup | None) -> dict[str, Any]:
    """The limits in force, by the keys of :class:`Limits`: as the kernel says where it can be read, else the engine.

    What the harness itself enforces (``log_bytes``) is as requested.
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
    """Return what a guest sees of the host: the files of a shell, and the module of the task's own network."""
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
    """Make a file readable for everybody: the container's user is no user of the host's."""
    try:
        mode = file.stat().st_mode
        if not mode & stat.S_IROTH:
            file.chmod(stat.S_IMODE(mode) | stat.S_IRGRP | stat.S_IROTH)
    except OSError as error:
        raise SandboxError(f"the sandbox's file {file} cannot be made readable for its user: {error}") from error
