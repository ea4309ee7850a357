"""Where attacks are carried out: a small task, an image with all the hostile unlearners, containers with tight limits."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from harness.attacks.model import Attack
from harness.attacks.wheel import sources, write_wheel
from harness.bundles import resolve
from harness.cache import Cache
from harness.runners.base import Limits, PluginFacts
from harness.runners.docker_runner import DockerRunner
from harness.runners.engine import Engine
from harness.runners.engine_types import ContainerState, Progress, silent
from harness.runners.images import GuestImage, PluginImage, ensure_guest_image, ensure_plugin_image
from harness.runners.reaper import RUN
from harness.runners.weights import State
from reference_models.architectures import build_model
from reference_models.recipe import ArchitectureSpec, ModelSpec

SPEC = ModelSpec(ArchitectureSpec("mlp", {}), 1, (8, 8), 4, (0.5,), (0.25,))
EXAMPLES = 32
LIMITS = Limits(memory_mib=768, pids=64, cpus=1.0, tmpfs_mib=64, shm_mib=64, log_bytes=1 << 17)
"""Tight, so that attacks on them are quick and a machine that does not hold them is not hurt."""

HONEST, LOOK = "honest:nothing", "honest:limits"
"""Targets that are no attacks: one leaves the model as it is, one prints the limits that it sees in force."""
ORIGINAL_SEED = 20_260_101
"""Of the original's weights: none by which a network is initialised inside the sandbox, so that finding them tells something."""


@dataclass(frozen=True)
class Ground:
    """Everything that sessions of attacks share.

    Attributes:
        engine: where containers run.
        image: the guest with the hostile unlearners on top.
        facts: of the distribution that holds them.
        seeds: target -> the seed by which a model gets it.
        data_file: of retain, forget and validation.
        original: the state that every model starts from.
        run_id: label of every container.
    """

    engine: Engine
    image: PluginImage
    facts: PluginFacts
    seeds: Mapping[str, int]
    data_file: Path
    original: State
    run_id: str

    def runner(self, memory_mib: int | None = None) -> DockerRunner:
        """A runner with the usual tight limits, or with other memory."""
        limits = LIMITS if memory_mib is None else replace(LIMITS, memory_mib=memory_mib)
        return DockerRunner(self.engine, self.image, limits)


@contextmanager
def prepared(
    engine: Engine, attacks: Sequence[Attack], guest: GuestImage | None = None, progress: Progress = silent
) -> Iterator[Ground]:
    """A ground for these attacks; its image is removed at the end, and whatever container is left.

    Args:
        engine: where containers run.
        attacks: that may be carried out.
        guest: the image to attack; None for the one with the host's torch, built where it is not there.
        progress: told each step of building images.

    Raises:
        ImageBuildError: an image could not be built.
        SandboxError: the engine failed.
    """
    targets = tuple(dict.fromkeys([*(attack.target for attack in attacks), LOOK, HONEST]))
    guest = guest or ensure_guest_image(engine, progress=progress)
    bundle = resolve(str(_wheel(targets)), engine=engine, guest=guest, progress=progress)
    image = ensure_plugin_image(engine, guest, bundle, progress)
    run_id = f"attacks-{secrets.token_hex(4)}"
    try:
        yield Ground(
            engine=engine,
            image=image,
            facts=bundle.facts,
            seeds={target: seed for seed, target in enumerate(targets)},
            data_file=_data_file(),
            original={name: tensor.numpy() for name, tensor in build_model(SPEC, ORIGINAL_SEED).state_dict().items()},
            run_id=run_id,
        )
    finally:
        for container in left_on(engine, run_id):
            engine.remove(container.id)
        engine.remove_image(image.tag)


def left_on(engine: Engine, run_id: str) -> list[ContainerState]:
    """Containers of the ground that are there now."""
    return engine.containers({RUN: run_id})


def _wheel(targets: Sequence[str]) -> Path:
    digests = {name: hashlib.sha256(source).hexdigest() for name, source in sources().items()}

    def build(folder: Path) -> None:
        write_wheel(folder, targets)

    folder, _ = Cache("attacks").get_or_build({"format": 1, "sources": digests, "targets": list(targets)}, build)
    return next(folder.glob("*.whl"))


def _data_file() -> Path:
    def build(folder: Path) -> None:
        random = np.random.default_rng(0)
        arrays: dict[str, Any] = {}
        for split in ("retain", "forget", "validation"):
            arrays[f"{split}.images"] = random.integers(0, 256, (EXAMPLES, 1, *SPEC.image_size), dtype=np.uint8)
            arrays[f"{split}.labels"] = random.integers(0, SPEC.n_classes, EXAMPLES)
        save_file(arrays, folder / "data.safetensors")

    folder, _ = Cache("attacks").get_or_build({"format": 1, "data": "random", "examples": EXAMPLES}, build)
    return folder / "data.safetensors"
