"""What the machine has: the card, its driver, torch's kernels for it, what else is in use, and the engines."""

from __future__ import annotations

import argparse
import platform
import shutil
from dataclasses import asdict
from typing import Any

import torch

from benchmarks.gpu.proof import Given
from benchmarks.gpu.sizes import DRY, FULL
from harness.core import gpu, hardware
from harness.errors import GpuUnavailableError

PROGRAMS = ("podman", "docker", "crun", "runc", "nvidia-smi", "nvidia-ctk")


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
    known = gpu.read()
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cores": hardware.available_cores(),
        "memory_mib": hardware.memory_mib(),
        "programs": {name: shutil.which(name) for name in PROGRAMS},
        "cards": [asdict(card) for card in known.cards],
        "findings": [one.detail for one in gpu.findings(known)],
    }
    given.keep(facts)
    if given.sizes.device == "cpu":
        return facts
    if wrong := [one for one in gpu.findings(known) if one.serious]:
        raise GpuUnavailableError(f"{wrong[0].detail}. {wrong[0].advice} Without a GPU: --dry-run.")
    if known.capability is None:
        raise GpuUnavailableError("There is no GPU; --dry-run tries the proof without one.")
    facts |= {
        "gpus": list(hardware.gpu_names()),
        "capability": "{}.{}".format(*known.capability),
        "built_for": list(known.built_for),
        "memory_free_mib": torch.cuda.mem_get_info()[0] >> 20,
        "bfloat16": torch.cuda.is_bf16_supported(),
        "cudnn": torch.backends.cudnn.version(),
    }
    given.keep(facts)
    sample = torch.ones(64, 64, device="cuda", dtype=torch.bfloat16)
    facts["kernels"] = bool((sample @ sample == 64).all())
    return facts
