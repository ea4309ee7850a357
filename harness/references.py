"""The populations that a method is measured against: originals, retrained models and controls, trained once and cached.

A population is built in chunks of the size that its recipe says; each chunk is one cache entry, so that a killed build loses one
chunk at most and a larger population reuses the chunks of a smaller one. Kept are the logits on every split and, for originals,
the weights, since the unlearner needs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from harness.cache import Cache, CacheEntry, key_of
from harness.evaluation import SPLITS
from harness.progress import Progress, Step
from harness.tasks.model import Task, TaskData
from reference_models.recipe import ModelSpec, derive_seed, to_json

Role = Literal["original", "retrained", "control"]
ROLES: tuple[Role, ...] = ("original", "retrained", "control")
LOGITS = "logits.safetensors"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Population:
    """One population of trained models.

    Attributes:
        role: original, retrained or control.
        seeds: one per model.
        logits: per split, shape (N, n, C), float32.
        weights: the originals' states, name -> array of shape (N, ...); empty for other roles.
        keys: cache keys of its chunks.
        from_cache: whether nothing had to be trained.
    """

    role: Role
    seeds: tuple[int, ...]
    logits: Mapping[str, NDArray[np.float32]]
    weights: Mapping[str, NDArray[Any]]
    keys: tuple[str, ...]
    from_cache: bool

    def state(self, index: int) -> dict[str, NDArray[Any]]:
        """The state of one model, name -> array."""
        return {name: np.array(stack[index]) for name, stack in self.weights.items()}  # a scalar keeps its shape ()


@lru_cache(maxsize=1)
def training_code_digest() -> str:
    """SHA-256 of the source of ``reference_models``: another way of training makes other models."""
    sha = hashlib.sha256()
    for file in sorted(resources.files("reference_models").iterdir(), key=lambda item: item.name):
        if file.name.endswith(".py"):
            sha.update(file.name.encode())
            sha.update(file.read_bytes())
    return sha.hexdigest()


def device_kind(device: str) -> str:
    """What kind of device numbers depend on: the GPU's model, or the CPU's vector instructions."""
    import torch

    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return f"cpu {torch.backends.cpu.get_cpu_capability()}"


def member_seeds(task: Task, role: Role, models: int) -> tuple[int, ...]:
    """The seeds of a population's members; member i's seed depends on the task's seed, the role and i alone."""
    return tuple(derive_seed("member", task.seed, role, index) for index in range(models))


def training_set(data: TaskData, role: Role) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (n, C, H, W) and labels (n,) that models of this role are trained on."""
    if role == "original":
        images = np.concatenate([data.retain.images, data.forget.images])
        return images, np.concatenate([data.retain.labels, data.forget.labels])
    return data.retain.images, data.retain.labels


class References:
    """Builds and finds the populations of one task."""

    def __init__(self, task: Task, data: TaskData, *, device: str = "cpu", cache: Cache | None = None) -> None:
        self.task = task
        self.data = data
        self.spec: ModelSpec = task.model_spec(data)
        self.device = device
        self.cache = cache or Cache("references")
        self._digest = data.digest()

    def cached(self, models: int) -> bool:
        """Whether all three populations of this size are in the cache."""
        return all(self.cache.holds(inputs) for role in ROLES for inputs in self._chunks(role, models))

    def population(self, role: Role, models: int, progress: Progress) -> Population:
        """The population of ``models`` members, trained where the cache has no sound copy."""
        seeds = member_seeds(self.task, role, models)
        chunks, keys, hits = [], [], []
        with progress.step(f"{role} models", models * self.task.recipe.epochs) as step:
            for inputs in self._chunks(role, models):
                build = partial(self._train, role, inputs["seeds"], step)
                folder, hit = self.cache.get_or_build(inputs, build)
                if hit:
                    step.advance(len(inputs["seeds"]) * self.task.recipe.epochs)
                chunks.append(_read(folder))
                keys.append(key_of(inputs))
                hits.append(hit)
        logits: dict[str, NDArray[np.float32]] = {
            name: np.concatenate([chunk[0][name] for chunk in chunks]) for name in SPLITS
        }
        names = chunks[0][1]
        weights = {name: np.concatenate([chunk[1][name] for chunk in chunks]) for name in names}
        return Population(role, seeds, logits, weights, tuple(keys), all(hits))

    def _chunks(self, role: Role, models: int) -> Iterator[dict[str, Any]]:
        import torch

        seeds = member_seeds(self.task, role, models)
        for start in range(0, models, self.task.recipe.chunk):
            yield {
                "format": 1,
                "task": self.task.name,
                "role": role,
                "data": self._digest,
                "model": to_json(self.spec),
                "recipe": to_json(self.task.recipe),
                "seeds": list(seeds[start : start + self.task.recipe.chunk]),
                "torch": torch.__version__,
                "device": device_kind(self.device),
                "code": training_code_digest(),
            }

    def _train(self, role: Role, seeds: Sequence[int], step: Step, folder: Path) -> None:
        from reference_models.prediction import stacked_logits
        from reference_models.training import train_chunk

        images, labels = training_set(self.data, role)
        done = 0

        def on_step(now: int, total: int) -> None:
            nonlocal done
            reached = len(seeds) * self.task.recipe.epochs * now // total
            step.advance(reached - done)
            done = reached

        state = train_chunk(self.spec, self.task.recipe, images, labels, seeds, device=self.device, on_step=on_step)
        logits: dict[str, NDArray[np.float32]] = {
            name: stacked_logits(self.spec, state, self.data.split(name).images, device=self.device) for name in SPLITS
        }
        save_file(logits, folder / LOGITS)
        if role == "original":
            save_file({name: tensor.numpy() for name, tensor in state.items()}, folder / WEIGHTS)


def _read(folder: Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[Any]]]:
    weights = folder / WEIGHTS
    return load_file(folder / LOGITS), load_file(weights) if weights.exists() else {}


def prune(cache: Cache, task: str | None) -> tuple[int, int]:
    """Remove cached populations, of one task or of all.

    Returns:
        how many entries were removed, and their bytes.
    """
    chosen: list[CacheEntry] = [e for e in cache.entries() if task is None or e.inputs.get("task") == task]
    for entry in chosen:
        cache.remove(entry)
    return len(chosen), sum(entry.size_bytes for entry in chosen)
