"""Reference populations (originals, retrained models and controls), trained once and cached.

A population is built in chunks of the recipe's size. Each chunk is one cache entry: a killed build loses at most one chunk, and
a larger population reuses the chunks of a smaller one. An entry has the logits on every split and under every query
(:mod:`harness.references.queries`), and the weights: the unlearner needs those of the originals, probes those of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.cache import Cache, key_of
from harness.core.progress import Progress, Step
from harness.core.room import room
from harness.core.tensors import map_tensors, read_row
from harness.errors import PopulationInvalidError, RunNotFoundError, UsageError
from harness.evaluation import SPLITS
from harness.probes.features import check_layers
from harness.references.data_files import DATA_FILE, write_examples
from harness.references.identity import ROLES, Role, device_kind, member_seeds, training_code_digest
from harness.references.journals import check, job_fields, key_inputs
from harness.references.own_network import OwnNetwork
from harness.references.queries import Pictures, QueryPlan, key, queries_in
from harness.references.supplied import Provenance, Supplied, supplied_inputs
from harness.references.worker_pool import LOGITS, ORDER, WEIGHTS, OnStep, Trainers, TrainingJob, Workers
from harness.tasks.own_architectures import check_network
from harness.tasks.task import Task, TaskData
from reference_models.networks.recipe import ModelSpec, to_json

State = dict[str, NDArray[Any]]
"""One model's state, name -> array."""
JOURNALS = "journal-*.safetensors"


@dataclass(frozen=True)
class Population:
    """A population of N trained models.

    Attributes:
        role: original, retrained or control.
        seeds: seed of each model.
        logits: split -> logits, shape (N, n, C), float32.
        read_state: reads the state of one original, name -> array; None for other roles.
        journals: journal file of each original; empty for other roles and for tasks without journals.
        keys: cache keys of its chunks.
        from_cache: all chunks were cache hits.
        queries: query -> logits on the forget set, shape (N, n_forget, C), float32; empty without queries.
        origins: where chunks that were not trained here came from, a sentence each.
        kept: of models that an earlier request of a stream returned, the plugin's state for each; None where it kept none.
    """

    role: Role
    seeds: tuple[int, ...]
    logits: Mapping[str, NDArray[np.float32]]
    read_state: Callable[[int], State] | None
    keys: tuple[str, ...]
    from_cache: bool
    journals: tuple[Path, ...] = ()
    queries: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    kept: tuple[NDArray[np.uint8] | None, ...] = ()

    def journal(self, index: int) -> Path | None:
        """Return the training journal of one model; None if there is none."""
        return self.journals[index] if self.journals else None

    def state(self, index: int) -> State:
        """Read the state of one model; raise RunNotFoundError if there is none."""
        if self.read_state is None:
            raise RunNotFoundError(
                f"The weights of the {self.role} models are no longer stored, and unfinished models need them. "
                "Run the command again from the beginning, with another --output."
            )
        return self.read_state(index)


@dataclass(frozen=True)
class Chunk:
    """A part of a population that is trained, cached and supplied as a whole.

    Attributes:
        role: of the population.
        first: index of its first model.
        inputs: everything that training it depends on.
        supplied: where it came from if it was not trained here; None if it was, or if it is missing.
    """

    role: Role
    first: int
    inputs: dict[str, Any]
    supplied: Provenance | None

    @property
    def models(self) -> int:
        """Return the number of models."""
        return len(self.inputs["seeds"])

    @property
    def key_inputs(self) -> dict[str, Any]:
        """Return the inputs of its cache key."""
        return self.inputs if self.supplied is None else supplied_inputs(self.inputs, self.first)


class References:
    """The reference populations of one task, trained or read from the cache.

    Args:
        task: the task.
        data: data of the task.
        device: training device, "cpu" or "cuda".
        cache: cache of populations; default: the user's.
        supplied: populations that were not trained here; default: the user's.
        queries: queries of the models besides the exact inputs; default: the task's.
        own: the code and initial weights of the task's network, if they have been looked up.
        trainers: makes what trains missing chunks and computes probes; default: worker processes of this machine.

    Attributes:
        roles: populations that are trained: all three, or two for a later request of a stream.
    """

    def __init__(
        self,
        task: Task,
        data: TaskData,
        *,
        device: str = "cpu",
        cache: Cache | None = None,
        supplied: Supplied | None = None,
        queries: QueryPlan | None = None,
        own: OwnNetwork | None = None,
        trainers: Callable[[], Trainers] = Workers,
    ) -> None:
        self.trainers = trainers
        self.own = own or OwnNetwork.of(task)
        self.task = task = self.own.task
        self.data = data
        self.spec: ModelSpec = task.model_spec(data)
        self.device = device
        self.cache = cache or Cache("references")
        self.supplied = supplied or Supplied()
        self.data_digest: str = data.digest()
        self.queries = QueryPlan.of(task.recipe, self.spec, self.data_digest) if queries is None else queries
        later = task.request is not None and task.request.number > 1
        self.roles: tuple[Role, ...] = ROLES[1:] if later else ROLES

    def check_journals(self, models: int, memory_mib: int | None) -> None:
        """Check, before any training, that the task's journals can be recorded; see :func:`harness.references.journals.check`."""
        check(self.task, self.data, self.spec, member_seeds(self.task, "original", 1)[0], models, memory_mib)

    def query_pictures(self) -> Pictures:
        """Return the forget set's pictures as modified by each query."""
        return self.queries.pictures(self.spec, np.asarray(self.data.forget.inputs[:]))

    def check_network(self) -> None:
        """Run a trial step of the network and of the layers that the task names.

        See :func:`harness.tasks.own_architectures.check_network` and :func:`harness.probes.features.check_layers`.
        """
        check_network(self.task, self.spec, self.data)
        check_layers(self.task, self.spec)

    def populations(self, models: int, progress: Progress) -> dict[str, Population]:
        """Return the populations of ``models`` members each; train chunks that are missing in the cache.

        A later request of a stream has no originals: it begins with the models that the request before returned.
        One chunk per core, or per GPU, is trained in parallel, each by a single-threaded process.
        """
        self._train_missing(models, progress)
        with progress.step("reading reference models", len(self.roles)) as step:
            found: dict[str, Population] = {}
            for role in self.roles:
                found[role] = self.population(role, models)
                step.advance()
        return found

    def keys(self, role: Role, models: int) -> tuple[str, ...]:
        """Return the cache keys of a population's chunks, cached or not."""
        return tuple(self.key(chunk) for chunk in self.chunks(role, models))

    def key(self, chunk: Chunk) -> str:
        """Return the key of a trained chunk, or the digest of a supplied one's content, since imports share a cache key."""
        return key_of(chunk.inputs) if chunk.supplied is None else self.supplied.content_key(chunk.key_inputs)

    def holds(self, role: Role, models: int) -> bool:
        """Return True if the whole population is in the cache."""
        return all(self.is_held(chunk) for chunk in self.chunks(role, models))

    def is_held(self, chunk: Chunk) -> bool:
        """Return True if a chunk is in the cache or was supplied."""
        return chunk.supplied is not None or self.cache.holds(chunk.inputs)

    def folder(self, chunk: Chunk, on_step: OnStep | None = None, workers: Trainers | None = None) -> tuple[Path, bool]:
        """Return the folder of a chunk, and whether it was cached; train it if it is missing or damaged."""
        if chunk.supplied is not None:
            return self.supplied.folder(chunk.key_inputs), True
        with nullcontext(workers) if workers else self.trainers() as crew:
            build = partial(self._train, chunk.role, chunk.inputs["seeds"], on_step or ignore, crew)
            return self.cache.get_or_build(chunk.inputs, build)

    def population(self, role: Role, models: int) -> Population:
        """Return the population of one role; train missing or damaged chunks one after another."""
        files, keys, hits, journals, origins = [], [], [], [], []
        logits: dict[str, NDArray[np.float32]] = {}
        for chunk in self.chunks(role, models):
            folder, hit = self.folder(chunk)
            found = map_tensors(folder / LOGITS)
            if chunk.supplied is not None:
                self._check_fit(found, folder, chunk)
            for name in (*SPLITS, *map(key, self.queries.names)):
                if name not in logits:
                    logits[name] = room((models, *found[name].shape[1:]), np.float32)
                logits[name][chunk.first : chunk.first + chunk.models] = found[name][: chunk.models]
            if role == "original":
                files += [(folder / WEIGHTS, row) for row in range(chunk.models)]
            journals += sorted(folder.glob(JOURNALS))[: chunk.models]
            keys.append(self.key(chunk))
            hits.append(hit)
            origins += [] if chunk.supplied is None else [chunk.supplied.sentence()]
        read_state = (lambda index: read_row(*files[index])) if files else None
        seeds = member_seeds(self.task, role, models)
        told = tuple(dict.fromkeys(origins))
        queries = queries_in(logits)
        splits: dict[str, NDArray[np.float32]] = {name: logits[name] for name in SPLITS}
        return Population(role, seeds, splits, read_state, tuple(keys), all(hits), tuple(journals), queries, told)

    def _check_fit(self, logits: Mapping[str, NDArray[Any]], folder: Path, chunk: Chunk) -> None:
        """Raise PopulationInvalidError if the logits and weights of a supplied chunk are not of the task's data and network."""
        from reference_models.networks.architectures import build_model

        classes = len(self.data.class_names)
        expected: dict[str, tuple[int, ...]] = {name: (len(self.data.split(name).labels), classes) for name in SPLITS}
        expected |= {name: tuple(tensor.shape) for name, tensor in build_model(self.spec, 0).state_dict().items()}
        shapes: dict[str, tuple[int, ...]] = {name: (chunk.models, *logits[name].shape[1:]) for name in SPLITS}
        shapes |= {name: (chunk.models, *array.shape[1:]) for name, array in map_tensors(folder / WEIGHTS).items()}
        missing = set(self.queries.names) - set(queries_in(logits))
        if missing or shapes != {name: (chunk.models, *shape) for name, shape in expected.items()}:
            raise PopulationInvalidError(
                f"The supplied {chunk.role} models are not of the data and network of {self.task.name}. Remove them: "
                f"harness references prune --task {self.task.name}"
            )

    def missing(self, models: int) -> list[Chunk]:
        """Return the chunks to train.

        Raises:
            UsageError: fewer models were imported; trained ones would be of another kind.
        """
        least, most = self._imported(models)
        if least < most:
            raise UsageError(
                f"An import for {self.task.name} was interrupted. Repeat `harness references import`, or remove what it left: "
                f"harness references prune --task {self.task.name}"
            )
        if 0 < least < models:
            raise UsageError(
                f"{models} models of {self.task.name} were requested, and {least} were imported. Pass --models {least} or "
                "fewer, or import more with `harness references import`."
            )
        return [chunk for role in self.roles for chunk in self.chunks(role, models) if not self.is_held(chunk)]

    def _imported(self, models: int) -> tuple[int, int]:
        """Return the smallest and the largest number of imported models among those of each population."""
        counts = []
        for role in self.roles:
            chunks = (supplied_inputs(inputs, first) for first, inputs in self._inputs(role, models))
            found = [one for inputs in chunks if (one := self.supplied.find(inputs, 1)) is not None]
            counts.append(sum(one.models for one in found if one.how == "imported"))
        return min(counts), max(counts)

    def _train_missing(self, models: int, progress: Progress) -> None:
        train_chunks([(self, chunk) for chunk in self.missing(models)], progress, "training reference models")

    def tell_mechanism(self, progress: Progress) -> None:
        """Tell the user if models of a network of their own are trained one after another, and why."""
        from reference_models.training.mechanism import choice

        if self.spec.architecture.digest and (why := choice(self.spec).reason):
            progress.notice(f"The models of {self.task.architecture.name} are trained one after another: {why}.")

    def chunks(self, role: Role, models: int) -> Iterator[Chunk]:
        """Yield the chunks of a population. Imported ones are preferred to trained ones, and these to pulled ones."""
        for first, inputs in self._inputs(role, models):
            found = self.supplied.find(supplied_inputs(inputs, first), len(inputs["seeds"]))
            if found is not None and found.how == "pulled" and self.cache.holds(inputs):
                found = None
            yield Chunk(role, first, inputs, found)

    def _inputs(self, role: Role, models: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the index of the first model of each chunk, and everything that training it depends on."""
        import torch

        seeds = member_seeds(self.task, role, models)
        recorded = key_inputs(self.task, self.data, is_original=role == "original")
        for start in range(0, models, self.task.recipe.chunk):
            yield (
                start,
                {
                    "format": 2,
                    "task": self.task.name,
                    "role": role,
                    "data": self.data_digest,
                    "model": to_json(self.spec),
                    "recipe": to_json(self.task.recipe),
                    "seeds": list(seeds[start : start + self.task.recipe.chunk]),
                    "torch": torch.__version__,
                    "device": device_kind(self.device),
                    "code": training_code_digest(records=bool(recorded)),
                    **recorded,
                    **({"queries": self.queries.to_json()} if self.queries.names else {}),
                },
            )

    def _train(self, role: Role, seeds: Sequence[int], on_step: OnStep, workers: Trainers, folder: Path) -> None:
        splits = ["retain", "forget"] if role == "original" else ["retain"]
        job = TrainingJob(
            data_file=str(self.data_file()),
            model=to_json(self.spec),
            recipe=to_json(self.task.recipe),
            sizes={name: len(self.data.split(name)) for name in ORDER},
            n_train=sum(len(self.data.split(name)) for name in splits),
            seeds=list(seeds),
            device=self.device,
            site=None if self.own.here is None else str(self.own.here),
            queries=self.queries.to_json(),
            **job_fields(self.task, self.data, splits, is_original=role == "original"),
        )
        workers.work(folder, job, on_step)

    def data_file(self) -> Path:
        """Return the path of a file with all four splits, for workers. It must never reach a guest."""
        folder, _ = Cache("datasets").get_or_build(
            {"format": 2, "data": self.data_digest}, lambda to: write_examples(self.data, to / DATA_FILE)
        )
        return folder / DATA_FILE


def train_chunks(wanted: Sequence[tuple[References, Chunk]], progress: Progress, description: str) -> None:
    """Train chunks of the populations of one network and recipe, in parallel one per core or per GPU.

    Args:
        wanted: chunks, each with its populations.
        progress: shows the epochs.
        description: of the work, for the progress bar.
    """
    if not wanted:
        return
    for references in dict.fromkeys(references for references, _ in wanted):
        references.check_network()
    first, _ = wanted[0]
    first.tell_mechanism(progress)
    epochs = first.task.recipe.epochs
    total = epochs * sum(chunk.models for _, chunk in wanted)
    with (
        first.trainers() as workers,
        progress.step(description, total) as step,
        ThreadPoolExecutor(workers.at_once(first.device, len(wanted))) as pool,
    ):
        step.tell("model epochs")

        def train(references: References, chunk: Chunk) -> None:
            references.folder(chunk, UnitCounter(step, chunk.models * epochs), workers)

        try:
            for future in as_completed([pool.submit(train, *one) for one in wanted]):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            workers.stop()
            raise


def ignore(done: int, total: int) -> None:
    """Ignore progress: a no-op callback."""


class UnitCounter:
    """Callback that converts steps into whole units, e.g. model epochs, on a progress bar."""

    def __init__(self, step: Step, units: int) -> None:
        self._step, self._units, self._reported = step, units, 0

    def __call__(self, done: int, total: int) -> None:
        """Advance the bar."""
        reached = self._units * done // total
        self._step.advance(reached - self._reported)
        self._reported = reached
