"""The host's session with a sandbox: sends models, receives weights, classifies outcomes, measures time.

The clock is monotonic. It runs from just before START is sent to the arrival of the last byte of the weights, or of the model's
last frame if there are none. Starting a guest, sending it model and data, and importing the plugin are not charged. The import
happens before START in a process without model and data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from harness.core.outcomes import ModelOutcome, Status, told
from harness.evaluation import Clock
from harness.runners.base import GuestExit, GuestHandle
from harness.runners.cores import CoreSet, Span
from harness.runners.session.attempt import Attempt
from harness.runners.session.greeting import Ready
from harness.runners.session.guest_pool import Guest, Guests, StoppedError
from harness.runners.session.weights import Manifest, State, encode
from harness_guest.protocol import Hello, Job

SETUP_TIMEOUT_S = 120.0
IMPORT_LIMIT_S = 60.0
"""Timeout for importing the plugin, per model, seconds; not charged."""
MAX_ATTEMPTS = 2  # a model is retried after a failure of the sandbox, never after one of the plugin


class Session:
    """A sequence of models, unlearned in guests that the session starts, monitors, kills and replaces.

    Args:
        start: starts a guest; called lazily, and again after a guest had to be killed.
        hello: the first frame to every guest.
        data: safetensors file with retain, forget and validation, sent to every guest.
        manifest: names, shapes and dtypes of an unlearned state.
        isolation: "run" uses one warm guest, "model" a new guest for every model.
        clock: monotonic seconds.
        setup_timeout_s: timeout for a guest to become ready, and for preparing a model.
        import_limit_s: timeout for importing the plugin, per model; ignored if the model has no limit.
        core_set: the guests' cores; ``start`` starts them on its waiting cores.
        due: returns the number of models still to come, without the present one: the maximum of warm guests.

    Attributes:
        ready: READY frame of the present guest, or else of the last one.
    """

    def __init__(
        self,
        start: Callable[[], GuestHandle],
        hello: Hello,
        *,
        data: Path,
        manifest: Manifest,
        isolation: Literal["run", "model"] = "run",
        clock: Callable[[], float] = time.monotonic,
        setup_timeout_s: float = SETUP_TIMEOUT_S,
        import_limit_s: float = IMPORT_LIMIT_S,
        core_set: CoreSet | None = None,
        due: Callable[[], int] = lambda: 0,
    ) -> None:
        self._core_set = core_set or CoreSet()
        self._guests = Guests(start, hello, data, manifest.max_bytes, self._core_set, clock, setup_timeout_s)
        self._due = due
        self._starting_s = 0.0
        self._measured: list[Span] = []
        self._hello = hello
        self._manifest = manifest
        self._isolation = isolation
        self._clock = clock
        self._setup_timeout_s = setup_timeout_s
        self._import_limit_s = import_limit_s
        self._guest: Guest | None = None
        self.ready: Ready | None = None

    def __enter__(self) -> Session:  # noqa: PYI034 -- typing.Self is not in Python 3.10
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def unlearn(
        self,
        index: int,
        seed: int,
        weights: Mapping[str, NDArray[Any]],
        limit_s: float | None,
        journal: Path | None = None,
        *,
        clock: Clock = "wall",
        deadline_s: float | None = None,
        import_only: bool = False,
    ) -> tuple[ModelOutcome, State | None]:
        """Unlearn one model; a failure is returned as an outcome and leaves the session usable.

        Args:
            index: number of the model, 0-based.
            seed: seed of all random streams in the model's process.
            weights: the original's state dict; with the plugin's state of the request before, if there is one.
            limit_s: in the unit of ``clock``; None for no limit.
            journal: file with the record of the original's training; None if there is none.
            clock: unit of the limit: "wall" (seconds on the host's clock), "cpu" (CPU seconds) or "steps" (examples drawn).
            deadline_s: seconds on the host's clock after which the model is killed if ``clock`` is not "wall"; None for never.
            import_only: end after the import of the plugin, which ``import_s`` of the outcome confirms; no state is returned.

        Returns:
            The outcome, and the unlearned state if its status is ok; with the plugin's state for the next request, if the
            manifest allows one and the plugin kept one.

        Raises:
            SandboxError: no guest could be started.
            StoppedError: :meth:`stop` was called.
        """
        began_s = self._clock()
        self._starting_s = 0.0
        n_bytes = 0 if journal is None else journal.stat().st_size
        import_limit_s = None if limit_s is None else self._import_limit_s
        job = Job(
            index,
            seed,
            limit_s,
            self._manifest.max_bytes,
            n_bytes,
            clock,
            deadline_s,
            import_only,
            import_limit_s,
            self._manifest.max_state_bytes,
        )
        original = encode(weights)
        earlier: list[str] = []
        try:
            outcome, state = self._try(job, original, journal, tried_before=False)
            # An error reported by a living guest would recur; the death of a guest may be accidental.
            while outcome.status is Status.INFRA_ERROR and self._guest is None and len(earlier) + 1 < MAX_ATTEMPTS:
                earlier.append(told(outcome))
                self._guests.close()  # the cause may have killed the waiting guests too
                died_under_plugin = outcome.evidence.last_frame is not None
                outcome, state = self._try(job, original, journal, tried_before=died_under_plugin)
            if self._guests.stopped:
                raise StoppedError
            if self._isolation == "model":
                self._drop()  # all frames of this model have been received
                self._stock_up()
        except BaseException:
            self._drop()
            self._guests.close()
            raise
        outcome = replace(outcome, start_s=self._starting_s, after_s=self._rest_s(outcome, began_s))
        return replace(outcome, attempts=len(earlier) + 1, earlier_attempts=tuple(earlier)), state

    def greet(self) -> Ready:
        """Start a guest and wait until it is ready.

        Raises:
            NetworkRefusedError: HELLO requested a dry pass, and the network failed it.
            SandboxError: the guest did not become ready.
        """
        ready = self._open().ready
        assert ready is not None  # noqa: S101  (a guest that was opened has been greeted)
        return ready

    @property
    def core_set(self) -> CoreSet:
        """Return where its guests run."""
        return self._core_set

    @property
    def spans(self) -> tuple[Span, ...]:
        """Return when guests warmed up and models were measured, and on which cores."""
        return (*self._guests.spans, *self._measured)

    def stop(self) -> None:
        """Make :meth:`unlearn`, running in another thread, end soon with StoppedError; from any thread."""
        self._guests.stop()

    def _rest_s(self, outcome: ModelOutcome, began_s: float) -> float:
        """Return the seconds of a model that were neither guest start, nor transfer, nor import, nor charged."""
        parts = (outcome.prepare_s, outcome.import_s, outcome.evidence.elapsed_s)
        known_s = self._starting_s + sum(part or 0.0 for part in parts)
        return max(0.0, self._clock() - began_s - known_s)

    def _try(
        self, job: Job, original: bytes, journal: Path | None, *, tried_before: bool
    ) -> tuple[ModelOutcome, State | None]:
        """Make one attempt at a model."""
        guest = self._opened()
        attempt = Attempt(
            guest.handle,
            guest.channel,
            job,
            self._hello,
            self._clock,
            self._setup_timeout_s,
            guest_is_init=self.ready is not None and self.ready.pid1,
            tried_before=tried_before,
        )
        attempt.run(original, journal)
        if attempt.span_s is not None:
            self._measured.append(Span("measured", self._core_set.cores, *attempt.span_s))
        exit_ = self._drop() if attempt.guest_is_spent else None
        return attempt.judge(self._manifest, exit_)

    def close(self) -> None:
        """Dismiss the guest, and those that wait for a model, and ensure that they are gone."""
        try:
            self._dismiss()
        finally:
            self._guests.close()

    def _dismiss(self) -> None:
        guest, self._guest = self._guest, None
        if guest is not None:
            self._guests.dismiss(guest)

    def _drop(self) -> GuestExit | None:
        """Kill the guest, if there is one, and ensure that it is gone."""
        guest, self._guest = self._guest, None
        return None if guest is None else self._guests.drop(guest)

    def _opened(self) -> Guest:
        """Open a guest, start the next guests on spare cores, and record the start-up time."""
        began_s = self._clock()
        guest = self._open()
        if self._isolation == "model" and self._core_set.spare:
            self._guests.restock(self._due())
        self._starting_s += self._clock() - began_s
        return guest

    def _stock_up(self) -> None:
        """Start guests for the models to come, and record the time."""
        began_s = self._clock()
        self._guests.restock(self._due())
        self._starting_s += self._clock() - began_s

    def _open(self) -> Guest:
        """Return the guest, started and ready.

        Raises:
            SandboxError: the guest did not become ready; with its stderr.
        """
        if self._guest is None:
            self._guest = self._guests.take(self._due() + 1)
            self.ready = self._guest.ready
        return self._guest
