"""A post that obeys a script: the line to a node that runs in threads of this process, and breaks where it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, cast

import numpy as np

from harness.core.outcomes import Evidence, ModelOutcome, Status
from harness.posts.node import Seated
from harness.posts.post import PostLostError, Unlearned, UnlearnTask
from harness.posts.remote import RemotePost

HANG, DIE, DUPLICATE = "hang", "die", "duplicate"


def model(task: UnlearnTask, node: str = "") -> Unlearned:
    """Return what any honest node makes of a task: logits by its seed and its state alone."""
    total = float(sum(array.sum() for array in task.state.values()))
    logits = {"forget": np.full((2, 3), (task.seed % 997) + total, np.float32)}
    seen = Evidence(elapsed_s=0.5, notes=(node,) if node else ())
    return Unlearned(ModelOutcome(task.index, task.seed, Status.OK, charged_s=0.5, judge_s=0.0, evidence=seen), logits)


class FakeNode:
    """A node whose models follow a script.

    Attributes:
        script: index -> what happens to it here; "hang" never answers, "die" ends the node.
        runs: indices of the models that were begun here.
        after: it begins no model before this.
    """

    def __init__(
        self, name: str, seats: int = 1, script: Mapping[int, str] | None = None, after: threading.Event | None = None
    ) -> None:
        self.name, self.seats, self.script = name, seats, dict(script or {})
        self.runs: list[int] = []
        self.released = threading.Event()
        self.begun, self.after = threading.Event(), after

    def sit(self, *_: Any) -> Seated:
        return Seated(self.seats, "cpu")

    def unlearn(self, _seat: int, task: UnlearnTask, _journal: str | None) -> Unlearned:
        if self.after is not None:
            assert self.after.wait(60.0)
        self.runs.append(task.index)
        self.begun.set()
        what = self.script.get(task.index)
        if what == DIE:
            raise PostLostError(f"node {self.name} died")
        if what == HANG:
            self.released.wait(60.0)
        return model(task)

    def shut(self, *_: Any) -> None:
        return None

    def stop(self) -> None:
        self.released.set()

    close = stop


class ThreadTicket:
    """A call in a thread."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def result(self, timeout_s: float) -> Any:
        try:
            return self._future.result(timeout_s)
        except FutureTimeoutError:
            if self._future.done():
                raise
            raise TimeoutError from None


class ThreadLine:
    """The line to a node in this process; counts how often it was cut."""

    def __init__(self, node: Any) -> None:
        self.node, self.cuts = node, 0
        self._pool = ThreadPoolExecutor(16)

    def call(self, method: str, *arguments: Any) -> ThreadTicket:
        return ThreadTicket(self._pool.submit(getattr(self.node, method), *arguments))

    def wait(self) -> None:
        """Wait until all calls have ended."""
        self._pool.shutdown(wait=True)

    def cut(self) -> None:
        self.cuts += 1
        if hasattr(self.node, "released"):
            self.node.released.set()
        self._pool.shutdown(wait=False)


def fake_post(
    name: str,
    seats: int = 1,
    script: Mapping[int, str] | None = None,
    patience: Callable[[UnlearnTask], float] = lambda _task: 30.0,
    after: RemotePost | None = None,
) -> RemotePost:
    """Return a seated post with a scripted node; it waits until that of ``after`` has begun a model."""
    node = FakeNode(name, seats, script, None if after is None else node_of(after).begun)
    post = RemotePost(name, ThreadLine(node), patience=patience)
    post.sit(cast("Any", None), None, (), 10.0)
    return post


def line_of(post: RemotePost) -> ThreadLine:
    """Return the line to a post's node."""
    return cast("ThreadLine", post._line)


def node_of(post: RemotePost) -> FakeNode:
    """Return a post's node."""
    return cast("FakeNode", line_of(post).node)


def runs_of(posts: Sequence[RemotePost]) -> list[int]:
    """Return the indices of all models that were begun anywhere."""
    return sorted(index for post in posts for index in node_of(post).runs)
