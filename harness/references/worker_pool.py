"""Training of chunks of populations, and probes, in worker processes: one a core, or one a GPU."""

from __future__ import annotations

import errno
import json
import math
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from harness.core.hardware import available_cores, training_devices
from harness.core.interpreter import module_command
from harness.core.pressure import oom_kills
from harness.core.tensors import write_tensors
from harness.errors import CacheError
from harness.evaluation import SPLITS
from harness.references.probe_jobs import ProbeJob
from harness.references.queries import QueryPlan, answers
from reference_models.networks.recipe import model_spec_from_json, recipe_from_json

if TYPE_CHECKING:
    from reference_models.training.states import StackedState

LOGITS = "logits.safetensors"
WEIGHTS = "weights.safetensors"
ORDER = ("retain", "forget", "validation", "test")
"""Order of the splits in a data file; the training set of originals comes first, so that it is one array."""

OnStep = Callable[[int, int], None]
FINISHED = "finished\n"


@dataclass(frozen=True)
class TrainingJob:
    """Arguments for training one chunk, as JSON values.

    Attributes:
        data_file: safetensors file with ``inputs`` and ``labels`` of all four splits, one after another.
        model: model specification as JSON.
        recipe: training recipe as JSON.
        sizes: number of examples of each split, in the order of the file.
        n_train: number of examples to train on, from the first.
        seeds: seed of each member.
        device: "cpu", or "cuda" for any GPU.
        journal: updates to record, "touched" or "all"; None for no journal.
        n_retain: index in the training set at which the forget set begins.
        sisa: number of shards and of slices; None for ordinary training.
        checkpoints: with ``sisa``, also write the state before every stage.
        keys: with ``sisa``, key of each training example, in order, that determines its shard and slice.
        sisa_seed: with ``sisa``, seed of the assignment.
        queries: query plan as JSON; None for no queries.
        site: folder with the task's own network, see :mod:`harness.references.own_network`; None if there is none.
    """

    data_file: str
    model: dict[str, Any]
    recipe: dict[str, Any]
    sizes: dict[str, int]
    n_train: int
    seeds: list[int]
    device: str
    journal: Literal["touched", "all"] | None = None
    n_retain: int = 0
    sisa: tuple[int, int] | None = None
    checkpoints: bool = False
    keys: list[str] = field(default_factory=list)
    sisa_seed: int = 0
    queries: dict[str, Any] | None = None
    site: str | None = None


def train_into(folder: Path, job: TrainingJob, arrays: Mapping[str, NDArray[Any]], on_step: OnStep) -> None:
    """Train a chunk; write its logits on every split and query, (K, n, C) float32, and its weights."""
    from reference_models.training.prediction import stacked_logits

    spec = model_spec_from_json(job.model)
    inputs = dict(zip(job.sizes, np.split(arrays["inputs"], np.cumsum(list(job.sizes.values()))[:-1]), strict=True))
    state = _trained(folder, job, arrays["inputs"][: job.n_train], arrays["labels"][: job.n_train], on_step)
    logits: dict[str, NDArray[Any]] = {
        name: stacked_logits(spec, state, inputs[name], device=job.device) for name in SPLITS
    }
    if job.queries is not None:
        pictures = QueryPlan.from_json(job.queries).pictures(spec, inputs["forget"])
        logits.update(answers(spec, state, pictures, job.device))
    write_tensors(folder / LOGITS, logits)
    write_tensors(folder / WEIGHTS, {name: tensor.numpy() for name, tensor in state.items()})


def _trained(
    folder: Path, job: TrainingJob, inputs: NDArray[Any], labels: NDArray[np.int64], on_step: OnStep
) -> StackedState:
    from reference_models.records.journal import JournalPlan, Recorder, drawn_batches
    from reference_models.records.sisa import assign, train_sharded
    from reference_models.training.loop import train_chunk

    spec, recipe = model_spec_from_json(job.model), recipe_from_json(job.recipe)
    if job.sisa is not None:
        sharding = assign(job.keys, job.sisa_seed, *job.sisa)
        kept = folder if job.checkpoints else None
        return train_sharded(
            spec, recipe, inputs, labels, sharding, job.seeds, device=job.device, on_step=on_step, journal_folder=kept
        )

    def part(first: int, seeds: Sequence[int], report: OnStep) -> StackedState:
        recorder = None
        if job.journal is not None:
            plan = JournalPlan(job.n_retain, job.journal)
            recorder = Recorder(folder, plan, [drawn_batches(recipe, len(labels), seed) for seed in seeds], first)
        return train_chunk(spec, recipe, inputs, labels, seeds, device=job.device, on_step=report, recorder=recorder)

    return in_parts(job.seeds, part, on_step)


def in_parts(
    seeds: Sequence[int], part: Callable[[int, Sequence[int], OnStep], StackedState], on_step: OnStep
) -> StackedState:
    """Return the states of all members, trained together if the GPU's memory suffices, else in the fewest equal parts that fit.

    Memory is at its peak in the first step, so that a part that does not fit is found at once. Rounding depends on the number of
    members that are trained together, as it does on the recipe's ``chunk``.

    Args:
        seeds: of the members.
        part: trains some members, given the number of the first, their seeds and a callback.
        on_step: called with the steps done of all parts, and all steps.

    Raises:
        torch.cuda.OutOfMemoryError: a single member does not fit.
    """
    import torch

    parts = 1
    while True:
        size = math.ceil(len(seeds) / parts)
        firsts = range(0, len(seeds), size)
        try:
            found = [
                part(first, seeds[first : first + size], _shifted(on_step, number, len(firsts)))
                for number, first in enumerate(firsts)
            ]
            return {name: torch.cat([state[name] for state in found]) for name in found[0]}
        except torch.cuda.OutOfMemoryError:
            if size == 1:
                raise
            parts *= 2
        torch.cuda.empty_cache()


def _shifted(on_step: OnStep, number: int, parts: int) -> OnStep:
    return lambda done, total: on_step(number * total + done, parts * total)


Job = TrainingJob | ProbeJob
KINDS: Mapping[type, str] = {TrainingJob: "train", ProbeJob: "probe"}
"""Kind of a job, as the worker is told."""

LESS_MEMORY = "Close other programs, or reduce the recipe's `chunk`."
NO_MEMORY_SIGNS = ("MemoryError", "OutOfMemoryError", "can't allocate memory", "Cannot allocate memory")


class Worker:
    """A process that trains chunks, or computes probes, one after another."""

    def __init__(self) -> None:
        self._oom_kills_before = oom_kills()
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115  (see close)
        # Its own session, so that Ctrl-C reaches only this process, which then stops its workers.
        self._process = subprocess.Popen(
            module_command("harness.references.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            start_new_session=True,
        )

    def work(self, folder: Path, job: Job, on_step: OnStep) -> None:
        """Do a job into ``folder`` and wait for it.

        Raises:
            CacheError: if the process ended; the message has the end of its error output.
            OSError: if the disk is full.
        """
        if not self._ask(folder, job) or not self._follow(on_step):
            raise self._failure(folder)

    def _ask(self, folder: Path, job: Job) -> bool:
        assert self._process.stdin is not None  # noqa: S101  (it is a pipe)
        try:
            self._process.stdin.write(
                json.dumps({"folder": str(folder), "kind": KINDS[type(job)], "job": asdict(job)}) + "\n"
            )
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def _follow(self, on_step: OnStep) -> bool:
        """Report progress until the job is finished; return False if the process ended before."""
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            if line == FINISHED:
                return True
            done, total = line.split()
            on_step(int(done), int(total))
        return False

    def _failure(self, folder: Path) -> Exception:
        code, oom_killed = self._process.wait(), oom_kills() > self._oom_kills_before
        self._stderr.seek(0)
        tail = self._stderr.read()[-2000:].strip()
        if "No space left on device" in tail:
            return OSError(errno.ENOSPC, "No space left on device", str(folder))
        return CacheError(f"The work on reference models failed: {_why(code, tail, oom_killed)}\n{tail}".rstrip())

    def stop(self) -> None:
        """Kill the process and wait for its end; may be called repeatedly and from any thread."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close the files of a stopped process; no other thread may use it any longer."""
        for file in (self._process.stdin, self._process.stdout, self._stderr):
            assert file is not None  # noqa: S101
            with suppress(BrokenPipeError):  # an order that the process did not live to read
                file.close()


def _why(code: int, tail: str, oom_killed: bool) -> str:
    """Return why a worker ended, and advice.

    Args:
        code: exit status as in ``subprocess.Popen.returncode``.
        tail: end of its error output.
        oom_killed: the kernel killed some process on this machine for memory in the meantime.
    """
    if code == -signal.SIGKILL and oom_killed:
        return f"out of memory; the kernel killed a worker. {LESS_MEMORY}"
    if code == -signal.SIGKILL:
        return "a worker was killed (SIGKILL), but not by the kernel for lack of memory. Run the command again."
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"a worker crashed ({name}) in native code. `harness doctor` lists the CPU kernels in use."
    if any(sign in tail for sign in NO_MEMORY_SIGNS):
        return f"out of memory. {LESS_MEMORY}"
    return f"a worker exited with status {code}."


class Trainers(Protocol):
    """What trains chunks and computes probes. Thread-safe."""

    def at_once(self, device: str, jobs: int) -> int:
        """Return how many of so many jobs for a device, "cpu" or "cuda", may be given to :meth:`work` at once."""

    def work(self, folder: Path, job: Job, on_step: OnStep) -> None:
        """Do a job into ``folder`` and wait for it; see :meth:`Worker.work`."""

    def stop(self) -> None:
        """End all work and refuse more."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class Workers:
    """A thread-safe pool of worker processes of this machine: one a core, or one a GPU."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._all: list[Worker] = []
        self._idle: dict[str, list[Worker]] = {}
        self._free: list[str] | None = None
        self._stopped = False

    def at_once(self, device: str, jobs: int) -> int:
        """Return the number of parallel jobs: one per core, or per GPU."""
        return min(jobs, available_cores() if device == "cpu" else len(training_devices()))

    def work(self, folder: Path, job: Job, on_step: OnStep) -> None:
        """Do a job in an idle worker, or in a new worker if none is idle, on a free GPU; see :meth:`Worker.work`."""
        device, worker = self._claim(job.device)
        try:
            worker.work(folder, replace(job, device=device), on_step)
        finally:
            with self._changed:
                if self._free is not None and device != job.device:
                    self._free.append(device)
                    self._changed.notify()
        with self._changed:
            self._idle.setdefault(device, []).append(worker)

    def _claim(self, device: str) -> tuple[str, Worker]:
        with self._changed:
            if device == "cuda":
                if self._free is None:
                    self._free = list(reversed(training_devices()))
                self._changed.wait_for(lambda: self._free or self._stopped)
                device = self._free.pop() if self._free else device
            if self._stopped:
                raise CacheError("Training of reference models was stopped.")
            idle = self._idle.get(device)
            worker = idle.pop() if idle else Worker()
            if worker not in self._all:
                self._all.append(worker)
            return device, worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        with self._changed:
            for workers in self._idle.values():
                for worker in workers:
                    worker.close()
            self._idle.clear()

    def stop(self) -> None:
        """Kill all workers and refuse to start new ones."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            workers = tuple(self._all)
        for worker in workers:
            worker.stop()
