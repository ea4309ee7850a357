"""What the program that hands out work costs by the number of models: 32 simulated nodes with losses, stragglers and late nodes.

Models are not unlearned: a node "returns" random logits after 0.2 s, one model in 20 after 2 s. Four nodes come 1 s late, two die
with a model in progress, and one stops answering. Everything else is what runs: the queue, deadlines, the run folder on disk.
Printed are, for each number of models, the program's CPU time a model, its peak memory beyond that before the run, and how long
the run took in multiples of the shortest time possible::

    python benchmarks/cluster_scale.py                       # 250, 500 and 1,000 models
    python benchmarks/cluster_scale.py --models 1000 4000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from harness.core.outcomes import ModelOutcome, Status
from harness.core.progress import SilentProgress
from harness.posts.dispatch import Crew
from harness.posts.node import Seated
from harness.posts.post import PostLostError, Unlearned, UnlearnTask
from harness.posts.remote import RemotePost
from harness.runs.budget import Limit
from harness.runs.config import RunConfig
from harness.runs.run_models import unlearn_all
from harness.runs.store import RunStore

NODES, LATE, LATE_S = 32, 4, 1.0
EACH_S, SLOW_S, SLOW_OF = 0.2, 2.0, 20
DEADLINE_S = 5.0
DYING, HANGING = ("n05", "n17"), "n23"
EXAMPLES, CLASSES, WEIGHTS = 1000, 10, 100_000


class Answer:
    """A call that ends at a given time."""

    def __init__(self, ready_s: float, make: Callable[[], Any]) -> None:
        self._ready_s, self._make = ready_s, make

    def result(self, timeout_s: float) -> Any:
        """Return what was made once it is time."""
        left_s = self._ready_s - time.monotonic()
        time.sleep(max(0.0, min(left_s, timeout_s)))
        if left_s > timeout_s:
            raise TimeoutError
        return self._make()


class SimulatedLine:
    """The line to a node that is not there."""

    def __init__(self, name: str) -> None:
        self._name, self._models = name, 0

    def call(self, method: str, *arguments: Any) -> Answer:
        """Begin a call."""
        now = time.monotonic()
        if method == "sit":
            return Answer(now, lambda: Seated(1, "simulated"))
        if method != "unlearn":
            return Answer(now, lambda: None)
        task: UnlearnTask = arguments[1]
        self._models += 1
        if self._models == 2 and self._name in DYING:
            return Answer(now + EACH_S / 2, self._die)
        if self._models == 2 and self._name == HANGING:
            return Answer(float("inf"), lambda: None)
        return Answer(now + (SLOW_S if task.index % SLOW_OF == 0 else EACH_S), lambda: _unlearned(task))

    def _die(self) -> None:
        raise PostLostError(f"node {self._name} died")

    def cut(self) -> None:
        """Do nothing."""


def _unlearned(task: UnlearnTask) -> Unlearned:
    random = np.random.default_rng(task.index)
    logits = {name: random.random((EXAMPLES, CLASSES), np.float32) for name in ("forget", "test")}
    return Unlearned(ModelOutcome(task.index, task.seed, Status.OK, charged_s=EACH_S, judge_s=0.0), logits)


def simulated_post(name: str) -> RemotePost:
    """Return a post that is ready."""
    post = RemotePost(name, SimulatedLine(name), patience=lambda _task: DEADLINE_S)
    post.sit(cast("Any", None), None, (), 10.0)
    return post


class Memory:
    """The largest resident memory of this process, sampled in a ``with`` block, bytes."""

    def __enter__(self) -> Memory:  # noqa: PYI034 -- typing.Self is not in Python 3.10
        self.peak, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.peak = max(self.peak, resident())


def resident() -> int:
    """Return this process's resident memory, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def simulate(models: int) -> None:
    """Hand out so many models, and print a row."""
    names = [f"n{number:02d}" for number in range(NODES)]
    setup = SimpleNamespace(
        config=RunConfig(plugin="simulated", time_limit_s=1.0),
        originals=SimpleNamespace(seeds=range(models), journal=lambda _index: None),
        facts=SimpleNamespace(name="simulated"),
        task=SimpleNamespace(request=None),
        handed_over=lambda original: {"w": np.full(WEIGHTS, original, np.float32)},
        probes=False,
    )
    late = [simulated_post(name) for name in names[-LATE:]]
    began_s = time.monotonic()

    def arrivals(_wait_s: float) -> list[RemotePost]:
        return [late.pop() for _ in tuple(late)] if time.monotonic() - began_s > LATE_S else []

    posts = cast("list[Any]", [simulated_post(name) for name in names[:-LATE]])
    crew = Crew(posts, arrivals, poll_s=0.2)
    with tempfile.TemporaryDirectory() as folder, Memory() as memory:
        before, cpu_s = resident(), time.process_time()
        found = unlearn_all(cast("Any", setup), Limit(1.0), RunStore.create(Path(folder) / "r"), SilentProgress(), crew)
        cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - began_s
    assert all(one.status is Status.OK for one in found)
    again = sum(one.attempts > 1 for one in found)
    slow = len(range(0, models, SLOW_OF))
    least_s = (slow * SLOW_S + (models - slow) * EACH_S) / NODES
    print(
        f"{models:6d} {1000 * cpu_s / models:12.1f} {(memory.peak - before) / 2**20:12.0f} {again:6d} {wall_s:8.1f} "
        f"{wall_s / least_s:12.2f}",
        flush=True,
    )


def main() -> None:
    """Simulate each number of models in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", type=int, nargs="+", default=[250, 500, 1000])
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        simulate(given.models[0])
        return
    print("models  CPU ms/model  memory, MiB  redone  seconds  x shortest")
    for models in given.models:
        subprocess.run([sys.executable, __file__, "--alone", "--models", str(models)], check=True)


if __name__ == "__main__":
    main()
