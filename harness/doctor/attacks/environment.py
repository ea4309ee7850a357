"""The environment of attacks: a small task, an image with all hostile unlearners, containers with tight limits."""

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

from harness.core.cache import Cache
from harness.core.progress import Progress
from harness.doctor.attacks.attack import Attack
from harness.doctor.attacks.wheel import sources, write_wheel
from harness.runners.base import Limits, PluginFacts, Runner
from harness.runners.bundles import resolve
from harness.runners.provider import RunnerProvider, RunnerRequest
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
        provider: runner that is attacked.
        request: what is asked of it.
        ready: its runner of the hostile unlearners with :data:`LIMITS`.
        wheel: the hostile unlearners.
        facts: facts of the distribution that contains them.
        seeds: target -> seed that selects it.
        data_file: safetensors file of retain, forget and validation.
        original: initial state of every model.
        run_id: names every guest.
    """

    provider: RunnerProvider
    request: RunnerRequest
    ready: Runner
    wheel: str
    facts: PluginFacts
    seeds: Mapping[str, int]
    data_file: Path
    original: State
    run_id: str

    def runner(self, limits: Limits = LIMITS) -> Runner:
        """Return a runner of the hostile unlearners."""
        if limits == LIMITS:
            return self.ready
        return self.provider.open(replace(self.request, limits=limits)).runner_for(self.wheel)[0]

    def remains(self) -> Sequence[str]:
        """Return the names of the guests that exist."""
        return self.provider.remains(self.run_id)


@contextmanager
def prepared(provider: RunnerProvider, attacks: Sequence[Attack], progress: Progress) -> Iterator[AttackEnvironment]:
    """Yield the environment for these attacks; remove what was built for it, and any remaining guest, at the end.

    Args:
        provider: runner to attack.
        attacks: attacks to include in the wheel.
        progress: receives the progress of builds.

    Raises:
        ImageBuildError: an image could not be built.
        SandboxError: the engine failed.
    """
    targets = tuple(dict.fromkeys([*(attack.target for attack in attacks), LIMITS_PROBE, HONEST]))
    wheel, run_id = str(_wheel(targets)), f"attacks-{secrets.token_hex(4)}"
    request = RunnerRequest(LIMITS, resolve, progress, gpus_asked="none")
    factory = provider.open(request)
    ready, facts = factory.runner_for(wheel)
    try:
        yield AttackEnvironment(
            provider=provider,
            request=request,
            ready=ready,
            wheel=wheel,
            facts=facts,
            seeds={target: seed for seed, target in enumerate(targets)},
            data_file=_data_file(),
            original={name: tensor.numpy() for name, tensor in build_model(SPEC, ORIGINAL_SEED).state_dict().items()},
            run_id=run_id,
        )
    finally:
        provider.remove(run_id)
        factory.discard()


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
