"""Probes of reference models, computed once and cached; and of other models with the same network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from harness.core.cache import Cache, key_of
from harness.core.files import atomic_write_bytes
from harness.core.progress import Progress, Step
from harness.core.room import stacked
from harness.core.tensors import map_tensors, write_tensors
from harness.probes.probe import Arrays, Probe
from harness.probes.registry import probe_code_digest
from harness.references.identity import ROLES, Role, device_kind, training_code_digest
from harness.references.populations import Chunk, References, UnitCounter, ignore
from harness.references.probe_jobs import RESULTS, ProbeJob, probe_into
from harness.references.supplied import PROBES
from harness.references.worker_pool import ORDER, WEIGHTS, Trainers
from reference_models.networks.recipe import to_json

SMALL = 4 << 20
"""Bytes of the weights of a network for which a light probe is computed in this process."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """Set torch's thread count within a ``with`` block to that of workers, for identical numbers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class ToProbe:
    """A model that is no reference model.

    Attributes:
        weights: safetensors file of its state.
        seed: a seed that no other model has.
        original: number of the original that it was made from.
        results: file for the probe's arrays, whose first axis has length 1.
    """

    weights: Path
    seed: int
    original: int
    results: Path


def _numbers(chunk: Chunk) -> range:
    """Return the numbers of a chunk's models in their population."""
    return range(chunk.first, chunk.first + chunk.models)


class Probing:
    """The probe of a task's models.

    Args:
        references: the task's reference models.
        probe: the probe.
    """

    def __init__(self, references: References, probe: Probe) -> None:
        self._references, self._probe = references, probe
        self._cache = Cache(PROBES, references.cache.root)
        self._here = False

    def missing(self, models: int, roles: Sequence[Role] = ROLES) -> int:
        """Return the number of reference models whose results are not in the cache, of ``models`` of each population."""
        return sum(chunk.models for role in roles for chunk in self._to_compute(role, models))

    def compute(
        self, models: int, others: Sequence[ToProbe], progress: Progress, roles: Sequence[Role] = ROLES
    ) -> None:
        """Compute all results that are missing, of ``models`` reference models of each population and of ``others``."""
        chunks = [chunk for role in roles for chunk in self._to_compute(role, models)]
        left = [one for one in others if not one.results.exists()]
        each = self._references.task.recipe.chunk
        groups = [left[first : first + each] for first in range(0, len(left), each)]
        total = sum(chunk.models for chunk in chunks) + len(left)
        if not total:
            return
        self._here = self._probe.light and self._bytes(chunks, left) <= SMALL
        jobs = 1 if self._here else len(chunks) + len(groups)
        with (
            self._references.trainers() as workers,
            progress.step(f"probing models: {self._probe.name}", total) as step,
            ThreadPoolExecutor(workers.at_once(self._references.device, jobs)) as pool,
        ):
            work: list[Callable[[], None]] = [partial(self._reference, chunk, workers, step) for chunk in chunks]
            work += [
                partial(self._group, group, self._originals([one.original for one in group], models), workers, step)
                for group in groups
            ]
            try:
                for future in as_completed([pool.submit(one) for one in work]):
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                workers.stop()
                raise

    def _bytes(self, chunks: Sequence[Chunk], others: Sequence[ToProbe]) -> int:
        """Return the size of the weights of a model."""
        if others:
            return others[0].weights.stat().st_size
        folder, _ = self._references.folder(chunks[0])
        return (folder / WEIGHTS).stat().st_size // chunks[0].models

    def results(self, role: Role, models: int) -> Arrays:
        """Return the arrays of a population, first axis :meth:`covered`; all must have been computed."""
        chunks = list(self._chunks(role, models))
        return stacked(self._rows(chunks), sum(chunk.models for chunk in chunks))

    def _rows(self, chunks: Sequence[Chunk]) -> Iterator[Arrays]:
        """Yield the results of one model after another."""
        for chunk in chunks:
            with self._references.trainers() as workers:
                folder, _ = self._cache.get_or_build(self._inputs(chunk), partial(self._build, chunk, workers, None))
            arrays = map_tensors(folder / RESULTS)
            for row in range(chunk.models):
                yield {name: array[row] for name, array in arrays.items()}

    def _to_compute(self, role: Role, models: int) -> Iterator[Chunk]:
        return (one for one in self._chunks(role, models) if not self._cache.holds(self._inputs(one)))

    @property
    def name(self) -> str:
        """Return the name of the probe's results in a run folder; it changes with the code and the options."""
        shown = {"options": self._probe.options(self._references.task), "code": probe_code_digest()}
        return f"{self._probe.name}-{key_of(shown)[:12]}"

    def covered(self, models: int) -> int:
        """Return of how many models, of a population of ``models``, the probe is computed."""
        return self._probe.covered(models, self._references.task.recipe.chunk)

    def _chunks(self, role: Role, models: int) -> Iterator[Chunk]:
        covered = self.covered(models)  # whole chunks, so that none is trained for the probe alone
        return (one for one in self._references.chunks(role, models) if one.first < covered)

    def _inputs(self, chunk: Chunk) -> dict[str, object]:
        """Return everything that the results of a chunk depend on."""
        return {
            "format": 1,
            "task": self._references.task.name,
            "role": chunk.role,
            "models": chunk.models,
            "chunk": self._references.key(chunk),
            "data": self._references.data_digest,
            "recipe": to_json(self._references.task.recipe),
            "probe": self._probe.name,
            "options": self._probe.options(self._references.task),
            "code": [probe_code_digest(), training_code_digest(records=False)],
            "torch": torch.__version__,
            "device": device_kind(self._references.device),
            "originals": [
                self._references.key(one) for one, _ in self._originals(_numbers(chunk), _numbers(chunk).stop)
            ],
        }

    def _reference(self, chunk: Chunk, workers: Trainers, step: Step) -> None:
        self._cache.get_or_build(self._inputs(chunk), partial(self._build, chunk, workers, step))

    def _build(self, chunk: Chunk, workers: Trainers, step: Step | None, folder: Path) -> None:
        source, _ = self._references.folder(chunk)
        originals = self._originals(_numbers(chunk), _numbers(chunk).stop)
        job = self._job([source / WEIGHTS], chunk.inputs["seeds"], originals, stacked=True)
        self._work(folder, job, workers, step)

    def _group(
        self, models: Sequence[ToProbe], originals: Sequence[tuple[Chunk, int]], workers: Trainers, step: Step
    ) -> None:
        """Compute the results of some models, and write a file for each."""
        job = self._job([one.weights for one in models], [one.seed for one in models], originals, stacked=False)
        with TemporaryDirectory() as place:
            folder = Path(place)
            self._work(folder, job, workers, step)
            arrays = map_tensors(folder / RESULTS)
            for row, one in enumerate(models):
                alone = folder / "alone.safetensors"
                write_tensors(
                    alone, {name: np.ascontiguousarray(array[row : row + 1]) for name, array in arrays.items()}
                )
                atomic_write_bytes(one.results, alone.read_bytes())

    def _originals(self, numbers: Sequence[int], models: int) -> list[tuple[Chunk, int]]:
        """Return chunk and row of originals, by their numbers in a population of ``models``; none unless the probe is paired."""
        if not self._probe.paired:
            return []
        chunks = list(self._references.chunks("original", models))
        owners = [next(one for one in chunks if one.first <= number < one.first + one.models) for number in numbers]
        return [(owner, number - owner.first) for owner, number in zip(owners, numbers, strict=True)]

    def _job(
        self, weights: Sequence[Path], seeds: Sequence[int], originals: Sequence[tuple[Chunk, int]], *, stacked: bool
    ) -> ProbeJob:
        known = self._references
        return ProbeJob(
            probe=self._probe.name,
            data_file=str(known.data_file()),
            model=to_json(known.spec),
            recipe=to_json(known.task.recipe),
            sizes={name: len(known.data.split(name)) for name in ORDER},
            weights=[str(path.absolute()) for path in weights],
            seeds=list(seeds),
            device=known.device,
            stacked=stacked,
            options=self._probe.options(known.task),
            site=None if known.own.here is None else str(known.own.here),
            originals=[(str(known.folder(chunk)[0] / WEIGHTS), row) for chunk, row in originals],
        )

    def _work(self, folder: Path, job: ProbeJob, workers: Trainers, step: Step | None) -> None:
        count = ignore if step is None else UnitCounter(step, len(job.seeds))
        if self._here:
            with _one_thread():
                probe_into(folder, job, map_tensors(Path(job.data_file)), count)
        else:
            workers.work(folder, job, count)
