"""Training of one chunk of a population: in this process on a GPU, in a worker process on a CPU, which also computes probes."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

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
        device: "cpu" or "cuda".
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
    from reference_models.records.journal import JournalPlan, Recorder
    from reference_models.records.sisa import assign, train_sharded
    from reference_models.training.loop import train_chunk

    spec, recipe = model_spec_from_json(job.model), recipe_from_json(job.recipe)
    if job.sisa is not None:
        sharding = assign(job.keys, job.sisa_seed, *job.sisa)
        kept = folder if job.checkpoints else None
        return train_sharded(
            spec, recipe, inputs, labels, sharding, job.seeds, device=job.device, on_step=on_step, journal_folder=kept
        )
    recorder = None
    if job.journal is not None:
        recorder = Recorder.of(folder, JournalPlan(job.n_retain, job.journal), recipe, len(labels), job.seeds)
    return train_chunk(spec, recipe, inputs, labels, job.seeds, device=job.device, on_step=on_step, recorder=recorder)


Job = TrainingJob | ProbeJob
KINDS: Mapping[type, str] = {TrainingJob: "train", ProbeJob: "probe"}
"""Kind of a job, as the worker is told."""

LESS_MEMORY = "Close other programs, or reduce the recipe's `chunk`."
NO_MEMORY_SIGNS = ("MemoryError", "can't allocate memory", "Cannot allocate memory")


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


class Workers:
    """A thread-safe pool of worker processes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Worker] = []
        self._idle: list[Worker] = []
        self._stopped = False

    def work(self, folder: Path, job: Job, on_step: OnStep) -> None:
        """Do a job in an idle worker, or in a new worker if none is idle; see :meth:`Worker.work`."""
        with self._lock:
            if self._stopped:
                raise CacheError("Training of reference models was stopped.")
            worker = self._idle.pop() if self._idle else Worker()
            if worker not in self._all:
                self._all.append(worker)
        worker.work(folder, job, on_step)
        with self._lock:
            self._idle.append(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        with self._lock:
            for worker in self._idle:
                worker.close()
            self._idle.clear()

    def stop(self) -> None:
        """Kill all workers and refuse to start new ones."""
        with self._lock:
            self._stopped = True
            workers = tuple(self._all)
        for worker in workers:
            worker.stop()
