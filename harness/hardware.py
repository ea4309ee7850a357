"""What machine this is, for the report and for cache keys."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Hardware:
    """The host.

    Attributes:
        cpu: model name of the processor.
        cores: cores that this process may use.
        memory_mib: physical memory, MiB.
        gpus: names of the CUDA devices that torch sees on the host.
        platform: operating system and kernel.
    """

    cpu: str
    cores: int
    memory_mib: int
    gpus: tuple[str, ...]
    platform: str


def cpu_model() -> str:
    """The processor's model name, or its architecture where the kernel does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def available_cores() -> int:
    """Cores that this process may use; at least 1."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@functools.lru_cache(maxsize=1)
def gpu_names() -> tuple[str, ...]:
    """Names of the CUDA devices that torch can use here; empty without any."""
    import torch

    if not torch.cuda.is_available():
        return ()
    return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def describe() -> Hardware:
    """This host."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return Hardware(cpu_model(), available_cores(), memory, gpu_names(), platform.platform())
