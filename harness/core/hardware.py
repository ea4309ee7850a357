"""Description of the host's hardware, for reports and cache keys."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge


@dataclass(frozen=True)
class Hardware:
    """The host's hardware.

    Attributes:
        cpu_model: name of the processor.
        cores: logical cores that the process may use.
        memory_mib: physical memory, MiB.
        platform: operating system, release and machine.
        gpus: names of the GPUs that torch sees on the host.
    """

    cpu_model: str
    cores: Annotated[int, Ge(1)]
    memory_mib: Annotated[int, Ge(0)]
    platform: str
    gpus: tuple[str, ...] = ()


@functools.lru_cache(maxsize=1)
def boot_id() -> str:
    """Return the kernel's random id of this boot; "unknown" if the kernel has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def cpu_model() -> str:
    """Return the processor's model name, or its architecture if the kernel does not report a name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def available_cores() -> int:
    """Return the number of cores that this process may use; at least 1."""
    return len(usable_cores())


def usable_cores() -> tuple[int, ...]:
    """Return the ids of the cores that this process may use, sorted; at least one."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def cuda_device(uuid: str) -> str:
    """Return torch's device name of the GPU with this UUID, e.g. "cuda:1"; "cuda" if torch does not list it."""
    import torch

    for index in range(torch.cuda.device_count()):
        if f"GPU-{getattr(torch.cuda.get_device_properties(index), 'uuid', '')}" == uuid:
            return f"cuda:{index}"
    return "cuda"


def gpu_uuids() -> tuple[str, ...]:
    """Return the UUIDs of NVIDIA GPUs listed by ``nvidia-smi``; empty if it is missing or finds none."""
    try:
        ended = subprocess.run(
            ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in ended.stdout.splitlines() if line.strip())


@functools.lru_cache(maxsize=1)
def gpu_names() -> tuple[str, ...]:
    """Return the names of the CUDA devices that torch can use; empty if there are none."""
    import torch

    if not torch.cuda.is_available():
        return ()
    return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def training_devices() -> tuple[str, ...]:
    """Return torch's names of the GPUs on which reference models are trained, one at least."""
    import torch

    return tuple(f"cuda:{index}" for index in range(max(1, torch.cuda.device_count())))


def memory_mib() -> int:
    """Return the physical memory, MiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def describe() -> Hardware:
    """Return the description of this host."""
    return Hardware(cpu_model(), available_cores(), memory_mib(), platform.platform(), gpu_names())
