"""What the machine has: the card, its driver, torch's kernels for it, what else is in use, and the engines."""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
from typing import Any

import torch

from benchmarks.gpu.proof import Given
from benchmarks.gpu.sizes import DRY, FULL
from harness.core import hardware
from harness.errors import GpuUnavailableError

PROGRAMS = ("podman", "docker", "crun", "runc", "nvidia-smi", "nvidia-ctk")
QUERY = "name,driver_version,memory.total,memory.used,utilization.gpu,mig.mode.current"


def device_of(options: argparse.Namespace) -> str:
    """Return the name of the device that a proof is about."""
    if (DRY if options.dry_run else FULL).device == "cpu":
        return "cpu"
    return ", ".join(hardware.gpu_names()) or "none"


def found(given: Given) -> dict[str, Any]:
    """Return the facts.

    Raises:
        GpuUnavailableError: torch cannot compute on the card; the message says what to do.
    """
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cores": hardware.available_cores(),
        "memory_mib": hardware.memory_mib(),
        "programs": {name: shutil.which(name) for name in PROGRAMS},
        "nvidia_smi": _nvidia_smi(),
    }
    given.keep(facts)
    if given.sizes.device == "cpu":
        return facts
    if not torch.cuda.is_available():
        raise GpuUnavailableError(
            f"torch {torch.__version__} finds no GPU. Install a CUDA build of torch that the driver supports; nvidia-smi says: "
            f"{facts['nvidia_smi'] or 'not there'}. Without a GPU: --dry-run."
        )
    major, minor = torch.cuda.get_device_capability()
    facts |= {
        "gpus": list(hardware.gpu_names()),
        "capability": f"{major}.{minor}",
        "built_for": torch.cuda.get_arch_list(),
        "memory_free_mib": torch.cuda.mem_get_info()[0] >> 20,
        "bfloat16": torch.cuda.is_bf16_supported(),
        "cudnn": torch.backends.cudnn.version(),
    }
    given.keep(facts)
    sample = torch.ones(64, 64, device="cuda", dtype=torch.bfloat16)
    facts["kernels"] = bool((sample @ sample == 64).all())
    return facts


def _nvidia_smi() -> list[str]:
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return ended.stdout.splitlines()
