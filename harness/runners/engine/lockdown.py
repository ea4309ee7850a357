"""The security options that every container of the harness is started with."""

from __future__ import annotations

import resource
from typing import Any

from harness.runners.engine.types import LABEL, ContainerSpec, GpuRequest

SCRATCH = "/tmp"  # noqa: S108  (the container's own)
CLOSED = {"/var/tmp": "ro,noexec,nosuid,nodev,size=4k"}  # noqa: S108
"""Mounts that override folders which Podman would otherwise mount writable and without a size limit."""
USER = "10001:10001"
PODMAN_PROCESSES = 32768
"""Most processes of all of Podman's containers together: what its service keeps for itself where it may not raise its limit."""


def create_arguments(spec: ContainerSpec, *, podman: bool = False) -> dict[str, Any]:
    """Return the docker SDK's keyword arguments: the security options common to all containers, plus ``spec``.

    Args:
        spec: what differs from container to container.
        podman: the engine is Podman.
    """
    memory = None if spec.memory_mib is None else f"{spec.memory_mib}m"
    size = "" if spec.tmpfs_mib is None else f",size={spec.tmpfs_mib}m"
    arguments: dict[str, Any] = {
        "network_mode": "none",
        "user": USER,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "ipc_mode": "private",
        "init": False,
        "log_config": {"type": "none"},
        "use_config_proxy": False,
        "stdin_open": True,
        "tty": False,
        "hostname": "sandbox",
        "working_dir": SCRATCH,
        "oom_kill_disable": False,
        "ulimits": [
            {"name": "core", "soft": 0, "hard": 0},
            {"name": "nofile", "soft": 4096, "hard": 4096},
            *([_own_nproc()] if podman else []),
        ],
        "name": spec.name,
        "labels": {LABEL: "container", **spec.labels},
        "environment": dict(spec.environment),
        "command": list(spec.command),
        "mem_limit": memory,
        "memswap_limit": memory,
        "pids_limit": spec.pids,
        "nano_cpus": None if spec.cpus is None else int(spec.cpus * 1e9),
        "cpuset_cpus": spec.cpuset,
        "runtime": spec.runtime,
        "tmpfs": {SCRATCH: f"rw,exec,nosuid,nodev,mode=1777{size}", **CLOSED},
        # System V segments, queues and semaphores outlive their creators and would leak state from model to model.
        "sysctls": {"kernel.shmmni": "0", "kernel.msgmni": "0", "kernel.sem": "0 0 0 0"},
        "shm_size": None if spec.shm_mib is None else f"{spec.shm_mib}m",
        "mounts": [_mount(str(source), target) for source, target in spec.read_only_files.items() if not spec.selinux],
        "volumes": [f"{source}:{target}:ro,z" for source, target in spec.read_only_files.items() if spec.selinux],
        "device_requests": None if spec.gpu is None else [_device_request(spec.gpu)],
    }
    if spec.entrypoint is not None:
        arguments["entrypoint"] = list(spec.entrypoint)
    return {key: value for key, value in arguments.items() if value is not None}


def _own_nproc() -> dict[str, Any]:
    """Return a limit on the processes of the containers' user that Podman's service may set.

    Without one, Podman run by root asks for the kernel's maximum, which fails where root lacks CAP_SYS_RESOURCE. It counts all
    containers together, so it is far above each container's own limit, which is its control group's.
    """
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    most = PODMAN_PROCESSES if hard == resource.RLIM_INFINITY else min(PODMAN_PROCESSES, hard)
    return {"name": "nproc", "soft": most, "hard": most}


def _mount(source: str, target: str) -> dict[str, Any]:
    return {"Target": target, "Source": source, "Type": "bind", "ReadOnly": True}


def _device_request(gpu: GpuRequest) -> dict[str, Any]:
    if gpu.path == "cdi":
        return {"driver": "cdi", "device_ids": list(gpu.ids)}
    chosen: dict[str, Any] = {"device_ids": list(gpu.ids)} if gpu.ids else {"count": gpu.count}
    return {"capabilities": [["gpu", "compute", "utility"]], **chosen}
