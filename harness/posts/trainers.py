"""Training of reference models on several machines: a chunk is one unit, and what comes of it is written here."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from typing_extensions import Self

from harness.errors import CacheError, SandboxError
from harness.posts.dispatch import MAX_NODES
from harness.posts.post import PostLostError
from harness.posts.remote import RemotePost
from harness.references.worker_pool import Job, OnStep

MOST_AT_ONCE = 256
WAIT_S = 10.0


class PostTrainers:
    """Trains chunks, and computes probes, on posts; thread-safe.

    Training is deterministic, so that a chunk whose node was lost is trained again on another, at most once. Nothing is kept of
    what the lost one sent.

    Args:
        posts: all posts so far.
        arrivals: returns posts that came since the last call, waiting up to so many seconds for one.
        tell: receives a sentence on each loss.
        patience_s: seconds without a post after which the work fails.
    """

    def __init__(
        self,
        posts: Sequence[RemotePost],
        arrivals: Callable[[float], Sequence[RemotePost]] = lambda _seconds: (),
        tell: Callable[[str], None] = lambda _text: None,
        patience_s: float = 60.0,
    ) -> None:
        self._posts, self._arrivals, self._tell, self._patience_s = list(posts), arrivals, tell, patience_s
        self._busy: Counter[RemotePost] = Counter()
        self._stopped = False
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Leave the posts as they are: they outlive a population."""

    def at_once(self, device: str, jobs: int) -> int:  # noqa: ARG002
        """Return the number of jobs that may be given to :meth:`work` at once; those without a free slot wait."""
        return min(jobs, MOST_AT_ONCE)

    def work(self, folder: Path, job: Job, on_step: OnStep) -> None:
        """Do a job on a free slot, and write what comes of it into ``folder``.

        Raises:
            CacheError: it failed, or was lost on two nodes.
            SandboxError: all nodes were lost.
        """
        reached, lost_on = [0.0], set[str]()

        def forward(done: int, total: int) -> None:
            if done / total > reached[0]:  # a repetition begins at 0
                reached[0] = done / total
                on_step(done, total)

        while True:
            post = self._claim(lost_on)
            try:
                post.work(folder, job, forward)
                return
            except PostLostError as error:
                lost_on.add(post.node)
                self._tell(f"Training was lost: {error.reason}.")
                for path in folder.iterdir():
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                if len(lost_on) >= MAX_NODES:
                    raise CacheError(f"The work on reference models was lost on two nodes: {error.reason}.") from error
            finally:
                with self._changed:
                    self._busy[post] -= 1
                    self._changed.notify_all()

    def stop(self) -> None:
        """End all work and refuse more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for post in self._posts:
            post.stop()

    def _claim(self, lost_on: set[str]) -> RemotePost:
        """Return a post with a free slot; one on which the job was not lost, if there is any."""
        with self._changed:
            while not self._stopped:
                self._posts += self._arrivals(0.0)
                living = [post for post in self._posts if not post.lost]
                if not living:
                    self._posts += self._arrivals(self._patience_s)
                    if all(post.lost for post in self._posts):
                        raise SandboxError("All nodes were lost while reference models were trained.")
                    continue
                fitting = [post for post in living if post.node not in lost_on] or living
                free = [post for post in fitting if self._busy[post] < post.slots]
                if free:
                    chosen = min(free, key=lambda post: self._busy[post])
                    self._busy[chosen] += 1
                    return chosen
                self._changed.wait(WAIT_S)
            raise CacheError("Training of reference models was stopped.")
