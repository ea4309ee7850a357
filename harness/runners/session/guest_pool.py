"""Guests in stock: started, greeted, and ready before a model needs one; dismissed when none does."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError, SandboxError
from harness.runners.base import GuestExit, GuestHandle
from harness.runners.cores import CoreSet, Span
from harness.runners.session.channel import Channel, DeadlineError, GuestGoneError
from harness.runners.session.greeting import NetworkRefusedError, Ready, read_ready
from harness_guest.protocol import Hello, Kind, ProtocolError, encode_json

BYE_GRACE_S = 2.0


class StoppedError(Exception):
    """The session was stopped from another thread; the outcome is no evidence about the model."""


class Guest:
    """A started guest.

    Attributes:
        handle: the guest's process or container.
        channel: connection to it.
        ready: its READY frame; None until it was read.
    """

    def __init__(self, handle: GuestHandle, channel: Channel, began_s: float, cores: tuple[int, ...] | None) -> None:
        self.handle, self.channel = handle, channel
        self.began_s, self.cores = began_s, cores
        self.ready: Ready | None = None


class Guests:
    """A pool of guests; it starts them, keeps some warm, and ensures that all of them end.

    All methods must be called from one thread, except :meth:`stop`.

    Args:
        start: starts a guest on the core set's waiting cores.
        hello: the first frame to every guest.
        data: file with the splits, sent to every guest as soon as it is ready.
        max_weights_bytes: maximum size of a returned state.
        core_set: the guests' cores, and the number of warm guests.
        clock: monotonic seconds.
        setup_timeout_s: timeout for a guest to become ready.

    Attributes:
        spans: when guests warmed up, and on which cores.
    """

    def __init__(
        self,
        start: Callable[[], GuestHandle],
        hello: Hello,
        data: Path,
        max_weights_bytes: int,
        core_set: CoreSet,
        clock: Callable[[], float],
        setup_timeout_s: float,
    ) -> None:
        self._start, self._hello, self._data, self._max_weights_bytes = start, hello, data, max_weights_bytes
        self._core_set, self._clock, self._setup_timeout_s = core_set, clock, setup_timeout_s
        self._stock: deque[Guest] = deque()
        self._living: set[Guest] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self.spans: list[Span] = []

    def take(self, due: int) -> Guest:
        """Return a guest that is ready, on the cores on which models are measured.

        No guest warms up on these cores when this returns. Without spare cores, wait for all warm guests.

        Args:
            due: number of models still to come, including this guest's.

        Raises:
            SandboxError: the guest did not become ready; with its stderr.
            StoppedError: :meth:`stop` was called.
        """
        waited = bool(self._stock)
        try:
            return self._taken(due)
        except SandboxError:
            if not waited:
                raise
        self.close()  # the cause, e.g. a kill from outside, may affect the other waiting guests too
        return self._taken(due)

    def _taken(self, due: int) -> Guest:
        if not self._stock:
            self._fill(max(1, min(due, self._batch)))
        guest = self._stock.popleft()
        for one in (guest,) if self._core_set.spare else (guest, *self._stock):
            self._greet(one)
        if self._core_set.spare and self._core_set.cores is not None:
            self._move(guest, self._core_set.cores)
        return guest

    def restock(self, due: int) -> None:
        """Start guests for the next models, while no model is being measured.

        Start-up errors are deferred to :meth:`take`.
        """
        if self._stock and not self._core_set.spare:
            return
        try:
            self._fill(min(due, self._batch))
        except HarnessError:
            return

    @property
    def _batch(self) -> int:
        return max(1, self._core_set.ahead)

    def _fill(self, number: int) -> None:
        while len(self._stock) < number:
            self._stock.append(self._new())

    def _new(self) -> Guest:
        """Return a started guest that has been sent everything it needs to warm up."""
        self._refuse_when_stopped()
        began_s = self._clock()
        handle = self._start()
        guest = Guest(handle, Channel(handle, self._clock, self._max_weights_bytes), began_s, self._core_set.waiting)
        with self._lock:
            self._living.add(guest)
        self._refuse_when_stopped()
        with self._start_errors(guest):
            guest.channel.send(self._clock() + self._setup_timeout_s, encode_json(Kind.HELLO, self._hello))
        return guest

    def _greet(self, guest: Guest) -> None:
        """Wait until the guest is ready, and send it the data."""
        if guest.ready is None:
            with self._start_errors(guest):
                guest.ready = read_ready(guest.channel, guest.began_s, self._clock, self._setup_timeout_s)
                guest.channel.send_file(self._clock() + self._setup_timeout_s, Kind.DATA, self._data)
            self.spans.append(Span("warming", guest.cores, guest.began_s, self._clock()))

    @contextmanager
    def _start_errors(self, guest: Guest) -> Iterator[None]:
        """Drop the guest if it fails to start, and raise SandboxError with its stderr."""
        try:
            yield
        except (GuestGoneError, DeadlineError, ProtocolError, TypeError, ValueError) as error:
            exit_ = self.drop(guest)
            if self._stopped:
                raise StoppedError from error
            if isinstance(error, NetworkRefusedError):
                raise
            raise SandboxError(self._why(error, exit_)) from error

    def _why(self, error: Exception, exit_: GuestExit) -> str:
        if isinstance(error, DeadlineError):
            what = f"it was not ready after {self._setup_timeout_s:.0f} s"
        else:
            what = str(error) or type(error).__name__
        status = "" if exit_.exit_code is None else f" (exit status {exit_.exit_code})"
        stderr = f"\nIts error stream ends:\n{exit_.stderr}" if exit_.stderr.strip() else ""
        return (
            f"The sandbox's guest did not start: {what}{status}. Check the memory limit and the image "
            f"(`harness image build`), and run `harness doctor`.{stderr}"
        )

    def _move(self, guest: Guest, cores: tuple[int, ...]) -> None:
        try:
            guest.handle.move(cores)
        except SandboxError:
            self.drop(guest)
            raise
        guest.cores = cores

    def dismiss(self, guest: Guest) -> None:
        """Ask a living guest to exit, and ensure that it is gone."""
        try:
            deadline_s = self._clock() + BYE_GRACE_S
            guest.channel.send(deadline_s, encode_json(Kind.BYE, {}))
            guest.channel.receive(deadline_s)
        except (GuestGoneError, DeadlineError, ProtocolError):
            guest.handle.kill()
        finally:
            self.drop(guest)

    def drop(self, guest: Guest) -> GuestExit:
        """Kill a guest and make sure that it is gone."""
        guest.handle.kill()
        exit_ = guest.handle.close()
        with self._lock:
            self._living.discard(guest)
        return exit_

    def close(self) -> None:
        """Kill all guests, including those in stock, and ensure that they are gone."""
        self._stock.clear()
        with self._lock:
            living = list(self._living)
        for guest in living:
            guest.handle.kill()
        for guest in living:
            self.drop(guest)

    def stop(self) -> None:
        """Kill all guests and prevent new ones; from any thread. :meth:`close` must still be called."""
        self._stopped = True
        with self._lock:
            living = list(self._living)
        for guest in living:
            guest.handle.kill()

    @property
    def stopped(self) -> bool:
        """Return True if :meth:`stop` was called."""
        return self._stopped

    def _refuse_when_stopped(self) -> None:
        if self._stopped:
            raise StoppedError
