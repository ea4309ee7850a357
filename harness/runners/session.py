"""The host's conversation with a sandbox: models in, verdicts and weights out, one clock.

The clock is monotonic and runs from just before START is sent to the arrival of the last byte of the weights, or of the last
frame of a model that brought none. Starting a guest, and handing it model and data, are not charged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from numpy.typing import NDArray

from harness.errors import SandboxError
from harness.outcomes import ModelOutcome, Status, told
from harness.runners.attempt import Attempt
from harness.runners.base import GuestExit, GuestHandle
from harness.runners.channel import Channel, DeadlineError, GuestGoneError
from harness.runners.weights import Manifest, State, encode
from harness.text import harmless
from harness_guest.protocol import Hello, Job, Kind, ProtocolError, decode_json, encode_json

SETUP_TIMEOUT_S = 120.0
MAX_ATTEMPTS = 2  # a sandbox that fails is given one more chance at a model; a plugin that fails is not
BYE_GRACE_S = 2.0
READY_FIELDS = frozenset({"torch", "python", "device", "threads", "pid1"})


@dataclass(frozen=True)
class Ready:
    """What a guest said of itself when it was ready.

    Attributes:
        torch, python: versions inside the sandbox.
        device: what it computes on.
        threads: of torch in a model's process.
        pid1: it is the first process of a container.
        start_s: seconds from asking for the guest to this answer; never charged.
    """

    torch: str
    python: str
    device: str
    threads: int
    pid1: bool
    start_s: float


@dataclass(frozen=True)
class _Guest:
    handle: GuestHandle
    channel: Channel


class Session:
    """Unlearns one model after another in guests that it starts, watches, kills and replaces.

    Args:
        start: starts a guest; called lazily, and again after a guest had to be killed.
        hello: what every guest is told first.
        manifest: what an unlearned state must look like.
        isolation: "run" keeps one warm guest, "model" takes a fresh one for every model.
        clock: monotonic seconds.
        setup_timeout_s: how long a guest may take to be ready, and to make one model ready.
    """

    def __init__(
        self,
        start: Callable[[], GuestHandle],
        hello: Hello,
        *,
        manifest: Manifest,
        isolation: Literal["run", "model"] = "run",
        clock: Callable[[], float] = time.monotonic,
        setup_timeout_s: float = SETUP_TIMEOUT_S,
    ) -> None:
        self._start = start
        self._hello = hello
        self._manifest = manifest
        self._isolation = isolation
        self._clock = clock
        self._setup_timeout_s = setup_timeout_s
        self._guest: _Guest | None = None
        self.ready: Ready | None = None

    def __enter__(self) -> Session:  # noqa: PYI034 -- typing.Self is not in Python 3.10
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def unlearn(
        self, index: int, seed: int, weights: Mapping[str, NDArray[Any]], limit_s: float | None
    ) -> tuple[ModelOutcome, State | None]:
        """Unlearn one model; its failure is a value and leaves the session usable.

        Args:
            index: which original, 0-based.
            seed: of every random stream in the model's process.
            weights: the original's state.
            limit_s: seconds on the host's clock; None for no limit.

        Returns:
            The outcome, and the unlearned state when its status is ok.

        Raises:
            SandboxError: no guest could be started.
        """
        job = Job(index, seed, limit_s, self._manifest.max_bytes)
        original = encode(weights)
        earlier: list[str] = []
        try:
            outcome, state = self._try(job, original, tried_before=False)
            # A guest that lives has told what is wrong, and would tell it again; one that died may have been unlucky.
            while outcome.status is Status.INFRA_ERROR and self._guest is None and len(earlier) + 1 < MAX_ATTEMPTS:
                earlier.append(told(outcome))
                outcome, state = self._try(job, original, tried_before=outcome.charged_s is not None)
        except BaseException:
            self._drop()
            raise
        if self._isolation == "model":
            self.close()
        return replace(outcome, attempts=len(earlier) + 1, earlier_attempts=tuple(earlier)), state

    def _try(self, job: Job, original: bytes, *, tried_before: bool) -> tuple[ModelOutcome, State | None]:
        """One attempt at a model."""
        guest = self._open()
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
        attempt.run(original)
        exit_ = self._drop() if attempt.guest_is_spent else None
        return attempt.judge(self._manifest, exit_)

    def close(self) -> None:
        """Dismiss the guest and make sure that it is gone."""
        guest = self._guest
        if guest is None:
            return
        try:
            deadline_s = self._clock() + BYE_GRACE_S
            guest.channel.send(deadline_s, encode_json(Kind.BYE, {}))
            guest.channel.receive(deadline_s)
        except (GuestGoneError, DeadlineError, ProtocolError):
            guest.handle.kill()
        finally:
            self._drop()

    def _drop(self) -> GuestExit | None:
        """Kill the guest, if there is one, and make sure that it is gone."""
        guest, self._guest = self._guest, None
        if guest is None:
            return None
        guest.handle.kill()
        return guest.handle.close()

    def _open(self) -> _Guest:
        """The guest, started and ready.

        Raises:
            SandboxError: it did not become ready; with what it wrote to its error stream.
        """
        if self._guest is None:
            began_s = self._clock()
            handle = self._start()
            self._guest = _Guest(handle, Channel(handle, self._clock, self._manifest.max_bytes))
            try:
                self.ready = self._greet(self._guest.channel, began_s)
            except (GuestGoneError, DeadlineError, ProtocolError, TypeError, ValueError) as error:
                exit_ = self._drop()
                raise SandboxError(self._why_not_ready(error, exit_)) from error
        return self._guest

    def _greet(self, channel: Channel, began_s: float) -> Ready:
        deadline_s = self._clock() + self._setup_timeout_s
        channel.send(deadline_s, encode_json(Kind.HELLO, self._hello))
        kind, payload = channel.receive(deadline_s)
        said = decode_json(bytes(payload))
        if kind is Kind.REFUSED:
            raise ValueError(harmless(str(said.get("message")), 2000))
        if kind is not Kind.READY:
            raise ProtocolError(f"{kind.name} came where READY was due")
        missing = READY_FIELDS - set(said)
        if missing:
            raise ProtocolError(f"READY lacks {max(missing)!r}")
        return Ready(
            torch=harmless(str(said["torch"]), 100),
            python=harmless(str(said["python"]), 100),
            device=harmless(str(said["device"]), 100),
            threads=int(said["threads"]),
            pid1=bool(said["pid1"]),
            start_s=self._clock() - began_s,
        )

    def _why_not_ready(self, error: Exception, exit_: GuestExit | None) -> str:
        if isinstance(error, DeadlineError):
            what = f"it was not ready after {self._setup_timeout_s:.0f} s"
        else:
            what = str(error) or type(error).__name__
        status = "" if exit_ is None or exit_.exit_code is None else f" (exit status {exit_.exit_code})"
        stderr = f"\nIts error stream ends:\n{exit_.stderr}" if exit_ is not None and exit_.stderr.strip() else ""
        return (
            f"The sandbox's guest did not start: {what}{status}. Check the memory limit and the image "
            f"(`harness image build`), and run `harness doctor`.{stderr}"
        )
