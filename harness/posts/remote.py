"""A post on another machine, behind a line that can break."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from harness.core.pressure import Rest
from harness.posts.files import send
from harness.posts.node import OpenPost, Seated
from harness.posts.post import Method, PostLostError, Unlearned, UnlearnTask
from harness.references.probe_jobs import ProbeJob
from harness.references.worker_pool import Job, OnStep
from harness.runners.session.attempt import TEARDOWN_GRACE_S
from harness.runners.session.guest_pool import StoppedError
from harness.runners.session.session import IMPORT_LIMIT_S, MAX_ATTEMPTS, SETUP_TIMEOUT_S

POLL_S = 0.5
"""Seconds between two looks at whether this program was told to stop, or the post was given up."""
TRANSFER_S = 120.0
CONTROL_S = 120.0
STALL_S = 900.0
"""Seconds without a step of training after which a node counts as lost."""


def patience_s(task: UnlearnTask) -> float:
    """Return the seconds that a model may take, with both attempts of its session and the transfer."""
    limit_s = task.limit_s if task.clock == "wall" else task.deadline_s
    once_s = 2 * SETUP_TIMEOUT_S + IMPORT_LIMIT_S + (task.life_s if limit_s is None else limit_s) + TEARDOWN_GRACE_S
    return MAX_ATTEMPTS * once_s + TRANSFER_S


class Ticket(Protocol):
    """A call that runs on a node."""

    def result(self, timeout_s: float) -> Any:
        """Return what the call returned.

        Raises:
            TimeoutError: it has not ended yet.
            PostLostError: the node or its process is gone.
            Exception: what the call raised.
        """


class Line(Protocol):
    """The way to a :class:`~harness.posts.node.Node`."""

    def call(self, method: str, *arguments: Any) -> Ticket:
        """Begin a call; it is made at most once."""

    def cut(self) -> None:
        """End the node's process, so that it does not go on to use its cores; what it returns is not read. Never raises."""


class RemotePost:
    """The seats of another machine.

    Every call has a deadline here, since a line may be silent for ever. A post that missed one is lost: its process is ended,
    and nothing that it may still return is read.

    Args:
        node: its name.
        line: the way to it.
        slots: number of training jobs at once.
        patience: returns the seconds after which a model's call is given up; default: :func:`patience_s`.
        stall_s: see :data:`STALL_S`.
    """

    def __init__(
        self,
        node: str,
        line: Line,
        slots: int = 1,
        *,
        patience: Callable[[UnlearnTask], float] | None = None,
        stall_s: float = STALL_S,
    ) -> None:
        self.node, self.slots = node, slots
        self.seats, self.cpu_model = 0, ""
        self._line, self._patience, self._stall_s = line, patience or patience_s, stall_s
        self._why: str | None = None
        self._stopped = False
        self._numbers = itertools.count()
        self._digests: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def lost(self) -> bool:
        """Return True once it did not answer."""
        return self._why is not None

    def cores(self, seat: int) -> tuple[int, ...] | None:  # noqa: ARG002
        """Return None: its seats use no core of this machine."""
        return None

    def rest(self) -> Rest:
        """Return what tells whether its machine is idle."""
        return Rest(
            lambda: self.ask(CONTROL_S, "lately"), lambda seconds: self.ask(seconds + CONTROL_S, "over", seconds)
        )

    def sit(self, open_post: OpenPost, order: Any, files: Sequence[Path], patience_s: float) -> None:
        """Prepare to unlearn the models of a run; see :meth:`harness.posts.node.Node.sit`."""
        sent = {str(path): self._send(path) for path in files}
        ready: Seated = self.ask(patience_s, "sit", open_post, order, sent)
        self.seats, self.cpu_model = ready.seats, ready.cpu_model

    def unlearn(self, seat: int, task: UnlearnTask) -> Unlearned:
        """Unlearn a model, and judge it; see :meth:`harness.posts.post.Post.unlearn`."""
        journal = None if task.journal is None else self._send(task.journal)
        task, patience = replace(task, journal=None), self._patience(task)
        found: Unlearned = self.ask(patience, "unlearn", seat, task, journal)
        return found

    def shut(self, method: Method, seat: int | None = None) -> None:
        """Dismiss the guests of a method; a post that is lost in doing so is only marked."""
        try:
            self.ask(CONTROL_S, "shut", method, seat)
        except (PostLostError, StoppedError):
            return

    def work(self, folder: Path, job: Job, on_step: OnStep) -> None:
        """Do a job on the node, and write the files that come of it.

        Raises:
            PostLostError: the node did not answer, or made no step for long.
            CacheError: the work failed there.
        """
        number = next(self._numbers)
        more = [*job.weights, *(path for path, _ in job.originals)] if isinstance(job, ProbeJob) else []
        files = {path: self._send(Path(path)) for path in (job.data_file, *more)}
        last, since = (0, 1), time.monotonic()
        ticket = self._call("work", number, job, files)
        while True:
            try:
                sizes: dict[str, int] = self._result(ticket, POLL_S)
                break
            except TimeoutError:
                now = self.ask(CONTROL_S, "progress", number)
                if now != last:
                    last, since = now, time.monotonic()
                    on_step(*now)
                elif time.monotonic() - since > self._stall_s:
                    raise self._give_up(f"node {self.node} made no step for {self._stall_s:.0f} s") from None
        for name, size in sizes.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("wb") as file:
                while file.tell() < size:
                    file.write(self.ask(TRANSFER_S, "piece", number, name, file.tell()))
        self.ask(CONTROL_S, "drop", number)

    def stop(self) -> None:
        """End all work soon, with StoppedError, and refuse more."""
        self._stopped = True
        if not self.lost:
            self._line.call("stop")

    def close(self) -> None:
        """Remove what it left on its machine, and end its process."""
        if not self.lost:
            try:
                ticket = self._line.call("close")
                ticket.result(CONTROL_S)
            except (TimeoutError, PostLostError):
                pass  # it is ended in any case
            self._line.cut()
            self._why = f"node {self.node} was dismissed"

    def ask(self, patience_s: float, method: str, *arguments: Any) -> Any:
        """Return what a call on the node returns.

        Raises:
            PostLostError: it did not answer in time, or is gone.
            StoppedError: :meth:`stop` was called.
        """
        began = time.monotonic()
        ticket = self._call(method, *arguments)
        while (left := began + patience_s - time.monotonic()) > 0:
            try:
                return self._result(ticket, min(POLL_S, left))
            except TimeoutError:
                continue
        raise self._give_up(f"node {self.node} did not answer within {patience_s:.1f} s")

    def _call(self, method: str, *arguments: Any) -> Ticket:
        if self._stopped:
            raise StoppedError
        if self._why is not None:
            raise PostLostError(self._why)
        return self._line.call(method, *arguments)

    def _result(self, ticket: Ticket, timeout_s: float) -> Any:
        if self._stopped:
            raise StoppedError
        if self._why is not None:
            raise PostLostError(self._why)
        try:
            return ticket.result(timeout_s)
        except PostLostError as error:
            raise self._give_up(error.reason) from error

    def _give_up(self, reason: str) -> PostLostError:
        with self._lock:
            first, self._why = self._why is None, self._why or reason
        if first:
            self._line.cut()
        return PostLostError(reason)

    def _send(self, path: Path) -> str:
        with self._lock:
            known = self._digests.get(str(path))
        digest = send(
            path,
            lambda digest, place: bool(self.ask(TRANSFER_S, "has", digest, place)),
            lambda *piece: self.ask(TRANSFER_S, "put", *piece),
            known,
        )
        with self._lock:
            self._digests[str(path)] = digest
        return digest
