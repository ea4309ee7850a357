"""What runs on the machine of a remote post: its files, its training workers, and a :class:`~harness.posts.local.LocalPost`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core import pressure
from harness.core.hardware import usable_cores
from harness.core.locks import HeldError, locked
from harness.errors import CacheError
from harness.posts.facts import NodeFacts, describe
from harness.posts.files import PIECE_BYTES, Files
from harness.posts.local import LocalPost
from harness.posts.post import Method, Unlearned, UnlearnTask
from harness.references.probe_jobs import ProbeJob
from harness.references.worker_pool import Job, Workers

OpenPost = Callable[[Any, Mapping[str, Path], Sequence[int]], LocalPost]
"""Makes a post from an order, the places of files that it reads, and the cores that it may use."""


class NodeBusyError(Exception):
    """Another post, perhaps of a run that was lost, still uses the cores of this machine."""


@dataclass(frozen=True)
class Seated:
    """What a post says once it can unlearn.

    Attributes:
        seats: number of models at once.
        cpu_model: the machine's processor.
    """

    seats: int
    cpu_model: str


class Node:
    """The machine of a remote post. Methods are called by name, from several threads, by the program that decides.

    It holds a lock on each of its cores, so that no two posts of one machine measure on the same, not even one that outlived its
    run.

    Args:
        cores: number of cores that it may use, of those that are usable; None for all.

    Raises:
        NodeBusyError: another post holds one of the cores.
    """

    def __init__(self, cores: int | None = None) -> None:
        self._cores = usable_cores()[:cores]
        self._held = ExitStack()
        for core in self._cores:
            lock = Path(tempfile.gettempdir()) / f"harness-core-{core}.lock"
            try:
                self._held.enter_context(locked(lock, wait=False))
            except HeldError:
                self._held.close()
                raise NodeBusyError(f"another post uses core {core} of this machine, see {lock}") from None
        self._files = Files()
        self._workers = Workers()
        self._post: LocalPost | None = None
        self._work: dict[int, tuple[Path, int, int]] = {}

    def describe(self) -> NodeFacts:
        """Return the facts of this machine."""
        return describe(len(self._cores))

    def has(self, digest: str, path: str) -> bool:
        """Return True if the content of a file is here."""
        return self._files.has(digest, path)

    def put(self, digest: str, name: str, data: bytes, last: bool) -> None:
        """Take a piece of a file."""
        self._files.put(digest, name, data, last=last)

    def sit(self, open_post: OpenPost, order: Any, files: Mapping[str, str]) -> Seated:
        """Prepare to unlearn the models of a run: data, runner, seats.

        Args:
            open_post: makes the post.
            order: its argument.
            files: path on the program's machine -> digest of each file that it reads.
        """
        self._post = open_post(order, {path: self._files.path(digest) for path, digest in files.items()}, self._cores)
        return Seated(self._post.seats, self._post.cpu_model)

    def unlearn(self, seat: int, task: UnlearnTask, journal: str | None) -> Unlearned:
        """Unlearn and judge a model; ``journal`` is the digest of the record of the original's training."""
        assert self._post is not None  # noqa: S101  (sit comes first)
        path = None if journal is None else self._files.path(journal)
        try:
            return self._post.unlearn(seat, replace(task, journal=path))
        finally:
            if journal is not None:
                self._files.drop(journal)

    def shut(self, method: Method, seat: int | None) -> None:
        """Dismiss the guests of a method."""
        if self._post is not None:
            self._post.shut(method, seat)

    def apply(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns here."""
        return function(*arguments)

    def lately(self) -> float | None:
        """Return the CPU pressure of this machine over the last 10 s."""
        return pressure.lately()

    def over(self, seconds: float) -> float | None:
        """Return the load of this machine over so many seconds from now."""
        return pressure.over(seconds)

    def work(self, number: int, job: Job, files: Mapping[str, str]) -> dict[str, int]:
        """Train a chunk or compute a probe in a worker; return the size of each file that came of it, bytes.

        Args:
            number: of the job, to ask for its progress and its files.
            job: its paths are those of the program's machine.
            files: path -> digest of each.

        Raises:
            CacheError: it failed; or the code of the task's own network is not on this machine.
        """
        if job.site is not None and not Path(job.site).is_dir():
            raise CacheError(
                f"The task's own network is at {job.site}, which this machine does not have. Give all nodes one cache folder."
            )
        folder = Path(tempfile.mkdtemp(prefix="harness-job-"))
        self._work[number] = (folder, 0, 1)

        def on_step(done: int, total: int) -> None:
            self._work[number] = (folder, done, total)

        here = {path: str(self._files.path(digest)) for path, digest in files.items()}
        job = replace(job, data_file=here[job.data_file])
        if isinstance(job, ProbeJob):
            job = replace(
                job,
                weights=[here[path] for path in job.weights],
                originals=[(here[path], row) for path, row in job.originals],
            )
        self._workers.work(folder, job, on_step)
        return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}

    def progress(self, number: int) -> tuple[int, int]:
        """Return the steps done of a job, and all."""
        _, done, total = self._work.get(number, (Path(), 0, 1))
        return done, total

    def piece(self, number: int, name: str, offset: int) -> bytes:
        """Return a piece of a file of a finished job."""
        with (self._work[number][0] / name).open("rb") as file:
            file.seek(offset)
            return file.read(PIECE_BYTES)

    def drop(self, number: int) -> None:
        """Delete the files of a job."""
        if number in self._work:
            shutil.rmtree(self._work.pop(number)[0], ignore_errors=True)

    def stop(self) -> None:
        """End all work soon."""
        self._workers.stop()
        if self._post is not None:
            self._post.stop()

    def close(self) -> None:
        """End all work, remove what it left, and free the machine for another post."""
        self.stop()
        if self._post is not None:
            for method in ("plugin", "retrain"):
                self._post.shut(method)
        for number in tuple(self._work):
            self.drop(number)
        self._held.close()
