"""The environment of attacks: a small task, an image with all hostile unlearners, containers with tight limits."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from harness.core.cache import Cache
from harness.doctor.attacks.attack import Attack
from harness.doctor.attacks.wheel import sources, write_wheel
from harness.runners.base import Limits, PluginFacts
from harness.runners.bundles import resolve
from harness.runners.docker import DockerRunner
from harness.runners.engine.client import Engine
from harness.runners.engine.reaper import RUN
from harness.runners.engine.types import ContainerState, Progress, silent
from harness.runners.images.listing import GuestImage, PluginImage, ensure_guest_image, ensure_plugin_image
from harness.runners.session.weights import State
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec

SPEC = ModelSpec(ArchitectureSpec("mlp", {}), (1, 8, 8), 4, (0.5,), (0.25,))
EXAMPLES = 32
LIMITS = Limits(memory_mib=768, pids=64, cpus=1.0, tmpfs_mib=64, shm_mib=64, log_bytes=1 << 17)
"""Tight, so that attacks are fast and a machine that does not enforce the limits is not harmed."""

HONEST, LIMITS_PROBE = "honest:nothing", "honest:limits"
"""Targets that do not attack: a no-op, and a function that prints the limits seen inside the container."""
ORIGINAL_SEED = 20_260_101
"""Seed of the original's weights. No network inside the sandbox is initialised with it, so finding these weights is a leak."""


@dataclass(frozen=True)
class AttackEnvironment:
    """The resources that all attack sessions share.

    Attributes:
        engine: engine that runs the containers.
        image: guest image with the hostile unlearners installed.
        facts: facts of the distribution that contains them.
        seeds: target -> seed that selects it.
        data_file: safetensors file of retain, forget and validation.
        original: initial state of every model.
        run_id: label of every container.
    """

    engine: Engine
    image: PluginImage
    facts: PluginFacts
    seeds: Mapping[str, int]
    data_file: Path
    original: State
    run_id: str

    def runner(self) -> DockerRunner:
        """Return a runner with :data:`LIMITS`."""
        return DockerRunner(self.engine, self.image, LIMITS)


@contextmanager
def prepared(
    engine: Engine, attacks: Sequence[Attack], guest: GuestImage | None = None, progress: Progress = silent
) -> Iterator[AttackEnvironment]:
    """Yield the environment for these attacks; remove its image and any remaining container at the end.

    Args:
        engine: engine that runs the containers.
        attacks: attacks to include in the image.
        guest: guest image to attack; None for the image with the host's torch, built if missing.
        progress: called with each step of building images.

    Raises:
        ImageBuildError: an image could not be built.
        SandboxError: the engine failed.
    """
    targets = tuple(dict.fromkeys([*(attack.target for attack in attacks), LIMITS_PROBE, HONEST]))
    guest = guest or ensure_guest_image(engine, progress=progress)
    bundle = resolve(str(_wheel(targets)), engine=engine, guest=guest, progress=progress)
    image = ensure_plugin_image(engine, guest, bundle, progress)
    run_id = f"attacks-{secrets.token_hex(4)}"
    try:
        yield AttackEnvironment(
            engine=engine,
            image=image,
            facts=bundle.facts,
            seeds={target: seed for seed, target in enumerate(targets)},
            data_file=_data_file(),
            original={name: tensor.numpy() for name, tensor in build_model(SPEC, ORIGINAL_SEED).state_dict().items()},
            run_id=run_id,
        )
    finally:
        for container in containers_of(engine, run_id):
            engine.remove(container.id)
        engine.remove_image(image.tag)


def containers_of(engine: Engine, run_id: str) -> list[ContainerState]:
    """Return the existing containers of the run ``run_id``."""
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
            arrays[f"{split}.inputs"] = random.integers(0, 256, (EXAMPLES, *SPEC.input_shape), dtype=np.uint8)
            arrays[f"{split}.labels"] = random.integers(0, SPEC.n_classes, EXAMPLES)
        save_file(arrays, folder / "data.safetensors")

    folder, _ = Cache("attacks").get_or_build({"format": 1, "data": "random", "examples": EXAMPLES}, build)
    return folder / "data.safetensors"
