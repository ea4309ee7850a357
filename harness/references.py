"""The populations that a method is measured against: originals, retrained models and controls, trained once and cached.

A population is built in chunks of the size that its recipe says; each chunk is one cache entry, so that a killed build loses one
chunk at most and a larger population reuses the chunks of a smaller one. Kept are the logits on every split and under every query
(:mod:`harness.queries`) and, for originals, the weights, since the unlearner needs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from harness.cache import Cache, CacheEntry, key_of
from harness.evaluation import SPLITS
from harness.files import write_tensors
from harness.hardware import available_cores
from harness.journals import check, job_fields, key_inputs
from harness.own_architectures import check_network, source_digest
from harness.progress import Progress, Step
from harness.queries import Pictures, QueryPlan, queries_in
from harness.tasks.model import Task, TaskData
from harness.training import LOGITS, WEIGHTS, OnStep, TrainingJob, Workers, train_into
from reference_models.recipe import ModelSpec, derive_seed, to_json

Role = Literal["original", "retrained", "control"]
ROLES: tuple[Role, ...] = ("original", "retrained", "control")
JOURNALS = "journal-*.safetensors"
DATA_FILE = "data.safetensors"


@dataclass(frozen=True)
class Population:
    """One population of trained models.

    Attributes:
        role: original, retrained or control.
        seeds: one per model.
        logits: per split, shape (N, n, C), float32.
        weights: the originals' states, name -> array of shape (N, ...); empty for other roles.
        journals: the originals' journals, one file a model; empty for other roles and for tasks without.
        keys: cache keys of its chunks.
        from_cache: whether nothing had to be trained.
        queries: per query, logits on the forget set, shape (N, n_forget, C), float32; empty where none was asked.
    """

    role: Role
    seeds: tuple[int, ...]
    logits: Mapping[str, NDArray[np.float32]]
    weights: Mapping[str, NDArray[Any]]
    keys: tuple[str, ...]
    from_cache: bool
    journals: tuple[Path, ...] = ()
    queries: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def journal(self, index: int) -> Path | None:
        """The journal of one model's training; None where there is none."""
        return self.journals[index] if self.journals else None

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


def write_splits(data: TaskData, names: Sequence[str], path: Path) -> None:
    """Write ``{split}.images`` (n, C, H, W) uint8 and ``{split}.labels`` (n,) int64 of the named splits as safetensors."""
    splits = {name: data.split(name) for name in names}
    images = {f"{name}.images": split.images for name, split in splits.items()}
    write_tensors(path, images | {f"{name}.labels": split.labels for name, split in splits.items()})


class References:
    """The populations of one task, built or found in the cache.

    Args:
        task: the task.
        data: its data.
        device: where models are trained, "cpu" or "cuda".
        cache: of populations; the user's by default.
        queries: what the models are asked beside the exact pictures; by default the task's own queries.
    """

    def __init__(
        self,
        task: Task,
        data: TaskData,
        *,
        device: str = "cpu",
        cache: Cache | None = None,
        queries: QueryPlan | None = None,
    ) -> None:
        self.task = task
        self.data = data
        self.spec: ModelSpec = task.model_spec(data)
        self.device = device
        self.cache = cache or Cache("references")
        self._digest = data.digest()
        own = source_digest(task)
        self._own = {} if own is None else {"network": own}
        self.queries = QueryPlan.of(task.recipe, self._digest) if queries is None else queries

    def check_journals(self, models: int, memory_mib: int | None) -> None:
        """Before any training: whether a task with a record of training can be recorded; see :func:`harness.journals.check`."""
        check(self.task, self.data, self.spec, member_seeds(self.task, "original", 1)[0], models, memory_mib)

    def query_pictures(self) -> Pictures:
        """Return what each query shows in place of the forget set's pictures."""
        return self.queries.pictures(self.spec, self.data.forget.images)

    def check_network(self) -> None:
        """Do a dry pass of the network; see :func:`harness.own_architectures.check_network`."""
        check_network(self.task, self.spec, self.data)

    def populations(self, models: int, progress: Progress) -> dict[str, Population]:
        """All three populations of ``models`` members each, trained where the cache has no sound copy.

        On the CPU as many chunks are trained at once as there are cores, each by a process with one thread.
        """
        self._train_missing(models, progress)
        with progress.step("reading reference models", len(ROLES)) as step:
            found: dict[str, Population] = {}
            for role in ROLES:
                found[role] = self.population(role, models)
                step.advance()
        return found

    def keys(self, role: Role, models: int) -> tuple[str, ...]:
        """The cache keys of a population's chunks, whether they are there or not."""
        return tuple(key_of(inputs) for inputs in self._chunks(role, models))

    def holds(self, role: Role, models: int) -> bool:
        """Whether a population is in the cache."""
        return all(self.cache.holds(inputs) for inputs in self._chunks(role, models))

    def population(self, role: Role, models: int) -> Population:
        """The population of one role; what the cache lacks, or has damaged, is trained one chunk after another."""
        chunks, keys, hits, journals = [], [], [], []
        for inputs in self._chunks(role, models):
            with Workers() as workers:
                build = partial(self._train, role, inputs["seeds"], _ignore, workers)
                folder, hit = self.cache.get_or_build(inputs, build)
            chunks.append(_read(folder))
            journals += sorted(folder.glob(JOURNALS))
            keys.append(key_of(inputs))
            hits.append(hit)
        logits: dict[str, NDArray[np.float32]] = {
            name: np.concatenate([chunk[0][name] for chunk in chunks]) for name in SPLITS
        }
        queries = {
            name: np.concatenate([queries_in(chunk[0])[name] for chunk in chunks]) for name in self.queries.names
        }
        names = chunks[0][1]
        weights = {name: np.concatenate([chunk[1][name] for chunk in chunks]) for name in names}
        seeds = member_seeds(self.task, role, models)
        return Population(role, seeds, logits, weights, tuple(keys), all(hits), tuple(journals), queries)

    def _missing(self, models: int) -> list[tuple[Role, dict[str, Any]]]:
        chunks = [(role, inputs) for role in ROLES for inputs in self._chunks(role, models)]
        return [(role, inputs) for role, inputs in chunks if not self.cache.holds(inputs)]

    def _train_missing(self, models: int, progress: Progress) -> None:
        missing = self._missing(models)
        if not missing:
            return
        self.check_network()
        epochs = self.task.recipe.epochs
        at_once = 1 if self.device.startswith("cuda") else min(available_cores(), len(missing))
        total = epochs * sum(len(inputs["seeds"]) for _, inputs in missing)
        with (
            Workers() as workers,
            progress.step("training reference models", total) as step,
            ThreadPoolExecutor(at_once) as pool,
        ):
            step.tell("model epochs")

            def train(role: Role, inputs: dict[str, Any]) -> None:
                counter = _EpochCounter(step, len(inputs["seeds"]) * epochs)
                build = partial(self._train, role, inputs["seeds"], counter, workers)
                self.cache.get_or_build(inputs, build)

            try:
                for future in as_completed([pool.submit(train, role, inputs) for role, inputs in missing]):
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                workers.stop()
                raise

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
                **key_inputs(self.task, self.data, is_original=role == "original"),
                **({"queries": self.queries.to_json()} if self.queries.names else {}),
                **self._own,
            }

    def _train(self, role: Role, seeds: Sequence[int], on_step: OnStep, workers: Workers, folder: Path) -> None:
        splits = ["retain", "forget"] if role == "original" else ["retain"]
        job = TrainingJob(
            data_file=str(self._data_file()),
            model=to_json(self.spec),
            recipe=to_json(self.task.recipe),
            splits=splits,
            seeds=list(seeds),
            keep_weights=role == "original",
            device=self.device,
            queries=self.queries.to_json(),
            **job_fields(self.task, self.data, splits, is_original=role == "original"),
        )
        if self.device.startswith("cuda"):
            train_into(folder, job, load_file(job.data_file), on_step)
        else:
            workers.train(folder, job, on_step)

    def _data_file(self) -> Path:
        """All four splits in one file, for workers; never given to a guest."""
        folder, _ = Cache("datasets").get_or_build(
            {"format": 1, "data": self._digest}, lambda to: write_splits(self.data, SPLITS, to / DATA_FILE)
        )
        return folder / DATA_FILE


def _ignore(done: int, total: int) -> None:
    """Nobody is told."""


class _EpochCounter:
    """Advances a step by whole epochs of models as training steps are done."""

    def __init__(self, step: Step, epochs: int) -> None:
        self._step, self._epochs, self._told = step, epochs, 0

    def __call__(self, done: int, total: int) -> None:
        reached = self._epochs * done // total
        self._step.advance(reached - self._told)
        self._told = reached


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
