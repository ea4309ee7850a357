"""The setup that all guests of a run share, and sessions that are opened with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.cache import Cache
from harness.core.hardware import cuda_device
from harness.references.data_files import DATA_FILE, write_splits
from harness.references.populations import Population
from harness.references.queries import Pictures
from harness.runners.base import GuestSetup, PluginFacts, Runner
from harness.runners.cores import CoreSet
from harness.runners.session.greeting import hello_for
from harness.runners.session.session import Session
from harness.runners.session.weights import Manifest, State
from harness.runs.prepare import Prepared
from harness.runs.scoring import logits_of, torch_threads
from harness.tasks.never_trained import handed_over
from harness.tasks.task import TaskData
from harness_guest.protocol import MAX_STATE_BYTES, STATE, Hello
from reference_models.networks.recipe import to_json

GUEST_SPLITS = ("retain", "forget", "validation")  # never the test set
# An orphaned guest may be reaped this many seconds after the longest time that its models could take.
REAP_MARGIN_S = 3600.0


def guest_data(data: TaskData, digest: str, request: int | None = None) -> Path:
    """Return the cached file of retain, forget and validation that guests read; of a stream, at this request."""

    def build(folder: Path) -> None:
        write_splits(handed_over(data), GUEST_SPLITS, folder / DATA_FILE)

    inputs = {"format": 2, "data": digest, "splits": list(GUEST_SPLITS)} | ({"request": request} if request else {})
    folder, _ = Cache("inputs").get_or_build(inputs, build)
    return folder / DATA_FILE


@dataclass(frozen=True)
class UnlearningSetup(Prepared):
    """Everything that the guests of a run share.

    Attributes:
        originals: the models to unlearn.
        data_file: result of :func:`guest_data`.
        queries: inputs of every query of a returned model; empty for none.
        probes: whether probes need the weights of returned models.
    """

    originals: Population
    data_file: Path
    queries: Pictures
    probes: bool = False

    @classmethod
    def of(
        cls, found: Prepared, originals: Population, queries: Pictures | None = None, *, probes: bool = False
    ) -> UnlearningSetup:
        """Return the setup for these originals."""
        request = None if found.task.request is None else found.task.request.number
        data_file = guest_data(found.data, found.references.data_digest, request)
        return cls(**vars(found), originals=originals, data_file=data_file, queries=queries or {}, probes=probes)

    def judge_device_of(self, core_set: CoreSet) -> str:
        """Return the device for a worker's logits: never a GPU on which another worker measures."""
        if self.device != "cuda" or core_set.gpus is None:
            return self.device
        return cuda_device(core_set.gpus.partition(",")[0])

    def judge(self, weights: State, core_set: CoreSet) -> dict[str, NDArray[np.float32]]:
        """Return the logits of a model that a worker returned, (n, C), by split and query."""
        with torch_threads(self.cores):  # independent of the number of workers, for identical numbers
            return logits_of(self.spec, weights, self.references.data, self.judge_device_of(core_set), self.queries)

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
        """Return what an unlearned state must look like; only before the last request of a stream a plugin may keep a state."""
        request = self.task.request
        more = request is not None and request.number < request.total
        return Manifest.of(self.originals.state(0), MAX_STATE_BYTES if more else 0)

    def handed_over(self, original: int) -> State:
        """Return what a guest gets of a model: its weights, and the state that the plugin kept at the request before."""
        kept = self.originals.kept[original] if self.originals.kept else None
        return self.originals.state(original) | ({} if kept is None else {STATE: kept})

    def hello(
        self, runner: Runner, facts: PluginFacts, options: Mapping[str, Any], try_batches: Sequence[int] = ()
    ) -> Hello:
        """Return the HELLO for a guest of this runner."""
        return hello_for(
            runner,
            facts,
            to_json(self.spec),
            to_json(self.task.recipe),
            threads=self.cores,
            options=dict(options),
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
