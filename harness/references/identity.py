"""What a reference model depends on besides its task: training code, hardware, seed."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal

from harness.tasks.task import Task
from reference_models.networks.recipe import derive_seed

Role = Literal["original", "retrained", "control"]
ROLES: tuple[Role, ...] = ("original", "retrained", "control")


@lru_cache(maxsize=2)
def training_code_digest(*, records: bool = True) -> str:
    """Return the SHA-256 of the training code, so that a change of it is a cache miss.

    Args:
        records: include the code of journals and SISA, which does not affect tasks without them.
    """
    sha = hashlib.sha256()
    for name in ("networks", "training", *(["records"] if records else [])):
        folder = Path(str(resources.files("reference_models"))) / name
        for file in sorted(folder.rglob("*.py")):
            sha.update(file.relative_to(folder.parent).as_posix().encode())
            sha.update(file.read_bytes())
    return sha.hexdigest()


def device_kind(device: str) -> str:
    """Return the hardware that numerical results depend on: the GPU's model, or the CPU's vector instruction set."""
    import torch

    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return f"cpu {torch.backends.cpu.get_cpu_capability()}"


def member_seeds(task: Task, role: Role, models: int) -> tuple[int, ...]:
    """Return the members' seeds; seed i depends only on the task's seed, the role, i and the number of files of initial weights.

    Of n files, member i begins with that of number i modulo n, since :func:`build_model` takes that of its seed modulo n.
    """
    n = max(1, len(task.architecture.init))
    seeds = (derive_seed("member", task.seed, role, index) for index in range(models))
    return tuple(seed - seed % n + index % n for index, seed in enumerate(seeds))
