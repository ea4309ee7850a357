"""The setup that all guests of a run share, and sessions that are opened with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.core.cache import Cache
from harness.core.hardware import cuda_device
from harness.references.populations import DATA_FILE, Population, write_splits
from harness.references.queries import Pictures
from harness.runners.base import GuestSetup, PluginFacts, Runner
from harness.runners.cores import CoreSet
from harness.runners.session.session import Session
from harness.runners.session.weights import Manifest
from harness.runs.config import RunConfig
from harness.runs.work_queue import Queue
from harness.tasks.task import Task, TaskData
from harness_guest.protocol import Hello
from reference_models.networks.recipe import ModelSpec, to_json

GUEST_SPLITS = ("retain", "forget", "validation")  # never the test set
# An orphaned guest may be reaped this many seconds after the longest time that its models could take.
REAP_MARGIN_S = 3600.0


def guest_data(data: TaskData, digest: str) -> Path:
    """Return the cached file of retain, forget and validation that guests read."""

    def build(folder: Path) -> None:
        write_splits(data, GUEST_SPLITS, folder / DATA_FILE)

    folder, _ = Cache("inputs").get_or_build({"format": 1, "data": digest, "splits": list(GUEST_SPLITS)}, build)
    return folder / DATA_FILE


@dataclass(frozen=True)
class UnlearningSetup:
    """Everything that the guests of a run share.

    Attributes:
        task, data, spec: the task, its data, and the network's specification.
        data_file: result of :func:`guest_data`.
        originals: the models to unlearn.
        config: the user's options.
        cores: number of cores of a guest.
        run_id: for labels of containers.
        judge_device: the host's device for logits.
        core_sets: one per worker.
        queries: inputs of every query of a returned model.
        architecture: folder with the module of the task's own network; None if it has none.
    """

    task: Task
    data: TaskData
    spec: ModelSpec
    data_file: Path
    originals: Population
    config: RunConfig
    cores: int
    run_id: str
    judge_device: str
    core_sets: tuple[CoreSet, ...] = (CoreSet(),)
    queries: Pictures = field(default_factory=dict)
    architecture: Path | None = None

    def judge_device_of(self, core_set: CoreSet) -> str:
        """Return the device for a worker's logits: never a GPU on which another worker measures."""
        if self.judge_device != "cuda" or core_set.gpus is None:
            return self.judge_device
        return cuda_device(core_set.gpus.partition(",")[0])

    @contextmanager
    def sessions(
        self, runner: Runner, facts: PluginFacts, options: Mapping[str, Any], seconds: float, queue: Queue
    ) -> Iterator[list[Session]]:
        """Open a session per worker, to process a queue."""
        with ExitStack() as stack:
            yield [
                stack.enter_context(self.session(runner, facts, options, seconds, core_set, queue.__len__))
                for core_set in self.core_sets
            ]

    def session(
        self,
        runner: Runner,
        facts: PluginFacts,
        options: Mapping[str, Any],
        seconds: float,
        core_set: CoreSet = CoreSet(),  # noqa: B008 -- it is frozen
        due: Callable[[], int] = lambda: 0,
        try_batches: Sequence[int] = (),
    ) -> Session:
        """Return a session with guests of this runner that may last ``seconds``.

        With ``try_batches`` each guest does a dry pass of the network with batches of these sizes before it is ready.
        """
        core_set = self._pinned(core_set)
        guest = self.guest_setup(seconds, core_set)
        return Session(
            lambda: runner.start(guest),
            self.hello(runner, facts, options, try_batches),
            data=self.data_file,
            manifest=self.manifest,
            isolation=self.config.isolation,
            core_set=core_set,
            due=due,
        )

    def guest_setup(
        self,
        seconds: float,
        core_set: CoreSet = CoreSet(),  # noqa: B008 -- it is frozen
        files: Mapping[str, Path] | None = None,
    ) -> GuestSetup:
        """Return the start parameters of a guest that may live for ``seconds``."""
        until_s = seconds + REAP_MARGIN_S
        return GuestSetup(self.run_id, until_s, core_set.waiting, core_set.gpus, self.architecture, files or {})

    @property
    def manifest(self) -> Manifest:
        """Return what an unlearned state must look like."""
        return Manifest.of(self.originals.state(0))

    def hello(
        self, runner: Runner, facts: PluginFacts, options: Mapping[str, Any], try_batches: Sequence[int] = ()
    ) -> Hello:
        """Return the HELLO for a guest of this runner."""
        kept = runner.facts.requested.log_bytes // 2
        return Hello(
            plugin=facts.name,
            distribution=facts.distribution,
            model=to_json(self.spec),
            recipe=to_json(self.task.recipe),
            plugin_path=runner.paths.plugin_path,
            scratch=list(runner.paths.scratch),
            device=runner.device,
            threads=self.cores,
            options=dict(options),
            log_head_bytes=kept,
            log_tail_bytes=kept,
            architecture_path=None if self.architecture is None else runner.paths.architecture_path,
            try_batches=list(try_batches),
        )

    def _pinned(self, core_set: CoreSet) -> CoreSet:
        """Pin the guest to cores only if there are several workers (or ``--isolation model``).

        A single worker stays unpinned: a second run on this machine would otherwise share the first cores with it.
        """
        if self.config.isolation == "model":
            return core_set
        return replace(core_set, cores=core_set.cores if len(self.core_sets) > 1 else None, spare=(), ahead=1)
