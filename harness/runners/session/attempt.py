"""One model's conversation with a guest: timing, and classification of the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from harness.core.outcomes import Evidence, ModelOutcome
from harness.core.pressure import Stopwatch
from harness.evaluation import Clock
from harness.runners.base import GuestExit, GuestHandle
from harness.runners.session.causes import Facts, decide
from harness.runners.session.channel import Channel, DeadlineError, GuestGoneError
from harness.runners.session.time_limit import enforced
from harness.runners.session.transcript import Transcript
from harness.runners.session.weights import Manifest, State, WeightsInvalid, decode
from harness_guest.protocol import Hello, Job, Kind, ProtocolError, encode_json, header

TEARDOWN_GRACE_S = 30.0
MAX_STDERR_CHARS = 2_000


class Attempt:
    """One model in one guest, from MODEL to ENDED.

    Args:
        handle: a guest that is ready for a model.
        channel: connection to the guest.
        job: the guest's instructions for the model.
        hello: the guest's general instructions.
        clock: monotonic seconds.
        setup_timeout_s: timeout for preparing the model.
        guest_is_init: the guest is the first process of a container.
        tried_before: an earlier attempt at this model ended with a guest that was killed.

    Attributes:
        guest_is_spent: after :meth:`run`, True if the guest must not be used again.
        span_s: after :meth:`run`, when the clock began and stopped; None when the model was never started.
    """

    def __init__(
        self,
        handle: GuestHandle,
        channel: Channel,
        job: Job,
        hello: Hello,
        clock: Callable[[], float],
        setup_timeout_s: float,
        *,
        guest_is_init: bool = False,
        tried_before: bool = False,
    ) -> None:
        self._handle, self._channel = handle, channel
        self._job = job
        self._clock = clock
        self._setup_timeout_s = setup_timeout_s
        self._transcript = Transcript(job.index, hello.log_head_bytes, hello.log_tail_bytes)
        self._clock_name = cast("Clock", job.clock)
        self._facts = Facts(
            False,
            limit_s=job.limit_s,
            guest_is_init=guest_is_init,
            tried_before=tried_before,
            clock=self._clock_name,
            deadline_s=job.deadline_s,
            on_gpu=hello.device != "cpu",
            import_limit_s=job.import_limit_s,
        )
        self._notes: list[str] = []
        self._prepare_s: float | None = None
        self._import_s: float | None = None
        self._began_s: float | None = None
        self._dead_s: float | None = None
        self._cpu_pressure: float | None = None
        self._cpu_s: float | None = None
        self._oom_before = 0
        self.guest_is_spent = False
        self.span_s: tuple[float, float] | None = None

    def run(self, original: bytes, journal: Path | None = None) -> None:
        """Process the model to its end or kill the guest; :meth:`judge` evaluates what was recorded."""
        self._oom_before = self._handle.oom_kills()
        forks_before = self._handle.refused_forks()
        try:
            if self._prepare(original, journal) and self._import():
                self._unlearn()
            self.guest_is_spent = self._transcript.ended is None or self._transcript.ended.unclean is not None
        except ProtocolError as error:
            self._facts = replace(self._facts, violation=str(error))
            self._spend()
        except DeadlineError:
            self._facts = replace(self._facts, setup_timed_out=not self._facts.started, killed_by_host=True)
            self._spend()
        except GuestGoneError:
            self._spend()
        if self._began_s is not None:
            self._dead_s = self._clock() - self._began_s
        ended = self._transcript.ended
        if self._cpu_s is None and ended is not None and self._began_s is not None:
            self._cpu_s = ended.cpu_s
        examples = None if ended is None else ended.examples
        self._facts = replace(
            self._facts,
            ended=ended,
            used={"wall": None, "cpu": self._cpu_s, "steps": examples}[self._clock_name],
            oom_rise=max(0, self._handle.oom_kills() - self._oom_before),
            refused_forks=_rise(forks_before, self._handle.refused_forks()),
        )

    def _spend(self) -> None:
        """Kill the guest and mark it as unusable."""
        self._handle.kill()
        self.guest_is_spent = True

    def _prepare(self, original: bytes, journal: Path | None) -> bool:
        """Send the model; return False if its process ended before it could import the plugin."""
        began_s = self._clock()
        deadline_s = began_s + self._setup_timeout_s
        model = encode_json(Kind.MODEL, self._job)
        self._channel.send(deadline_s, model, header(Kind.WEIGHTS, len(original)), original)
        if journal is not None:
            self._channel.send_file(deadline_s, Kind.JOURNAL, journal)
        begun = self._transcript.until((Kind.IMPORTING, Kind.ENDED), self._channel, deadline_s)
        self._prepare_s = self._clock() - began_s
        return begun is Kind.IMPORTING

    def _import(self) -> bool:
        """Wait for the plugin's import; return False if the process ended before it was over."""
        self._facts = replace(self._facts, started=True)
        began_s = self._clock()
        with enforced(self._handle, self._job.import_limit_s, self._clock) as deadline_s:
            imported = self._transcript.until((Kind.IMPORTED, Kind.ENDED), self._channel, deadline_s) is Kind.IMPORTED
        if imported:
            self._import_s = self._clock() - began_s
            self._facts = replace(self._facts, imported=True)
        return imported

    def _unlearn(self) -> None:
        """Start the model and read to its end while the clock runs."""
        with enforced(self._handle, self._job.kill_s, self._clock) as deadline_s:
            self._timed(deadline_s)
        if self._transcript.ended is None:
            self._finish()

    def _timed(self, deadline_s: float | None) -> None:
        """Send START and read to the last byte of the result."""
        stopwatch, cpu_before_s = Stopwatch(), self._handle.cpu_s()
        self._began_s = began_s = self._clock()
        try:
            self._channel.send(deadline_s, encode_json(Kind.START, {"index": self._job.index}))
            self._transcript.until((Kind.WEIGHTS, Kind.ENDED), self._channel, deadline_s)
        finally:
            self.span_s = (began_s, self._clock())
            self._facts = replace(self._facts, elapsed_s=self.span_s[1] - began_s)
            self._cpu_pressure = stopwatch.share(self.span_s[1] - began_s)
            cpu_after_s = self._handle.cpu_s()
            if cpu_before_s is not None and cpu_after_s is not None:
                self._cpu_s = max(0.0, cpu_after_s - cpu_before_s)

    def _finish(self) -> None:
        """Wait for the guest's clean-up, after the weights have arrived and the clock has stopped."""
        try:
            self._transcript.until((Kind.ENDED,), self._channel, self._clock() + TEARDOWN_GRACE_S)
        except (DeadlineError, GuestGoneError) as error:
            self._notes.append(f"the guest did not clean up after the model and was replaced: {error!r}")
            self._handle.kill()

    def judge(self, manifest: Manifest, exit_: GuestExit | None) -> tuple[ModelOutcome, State | None]:
        """Return the model's outcome, and its state if it is ok.

        Args:
            manifest: names, shapes and dtypes that the state must have.
            exit_: how the guest ended; None if it is alive.

        Returns:
            The outcome, and the state when it is ok.
        """
        if exit_ is not None:
            self._note_guest_end(exit_)
        state, refusal = self._decode(manifest)
        verdict = decide(self._facts)
        ended = self._facts.ended
        outcome = ModelOutcome(
            index=self._job.index,
            seed=self._job.seed,
            status=verdict.status,
            advice=verdict.advice,
            charged_s=self._cpu_s if self._clock_name == "cpu" else self._facts.elapsed_s,
            prepare_s=self._prepare_s,
            cpu_pressure=self._cpu_pressure,
            peak_rss_mib=None if ended is None else ended.peak_rss_mib,
            peak_gpu_mib=self._transcript.peak_gpu_mib,
            evidence=self._evidence(refusal),
            log=self._transcript.log(),
            cpu_s=self._cpu_s,
            examples=None if ended is None else ended.examples,
            clock=self._clock_name,
            import_s=self._import_s,
        )
        return outcome, state if verdict.status.finished else None

    def _note_guest_end(self, exit_: GuestExit) -> None:
        facts = self._facts
        # The flag covers the guest's whole life, so after a kill during an earlier model it is no evidence for this one.
        oom_rise = facts.oom_rise or int(exit_.oom_killed and self._oom_before == 0)
        self._facts = replace(facts, guest_exit_code=exit_.exit_code, oom_rise=oom_rise)
        self._notes += exit_.notes
        if facts.ended is None and exit_.stderr.strip():
            self._notes.append(f"the guest's error stream ends: {exit_.stderr.strip()[-MAX_STDERR_CHARS:]}")

    def _decode(self, manifest: Manifest) -> tuple[State | None, str | None]:
        """Return the received state, or the reason why it was rejected."""
        if self._transcript.weights is None:
            return None, None
        try:
            state = decode(self._transcript.weights, manifest)
        except WeightsInvalid as error:
            self._facts = replace(self._facts, weights_problem=error.problem)
            return None, str(error)
        self._facts = replace(self._facts, has_weights=True)
        return state, None

    def _evidence(self, refusal: str | None) -> Evidence:
        facts, ended, weights = self._facts, self._facts.ended, self._transcript.weights
        message = facts.violation or refusal or (None if ended is None else ended.error_message)
        if message is None and ended is not None and not facts.started:
            how = f"status {ended.exit_code}" if ended.signal is None else f"signal {ended.signal}"
            message = f"the model's process ended with {how} before it imported the plugin"
        if facts.setup_timed_out:
            message = f"the model was not ready after {self._setup_timeout_s:.0f} s"
        return Evidence(
            elapsed_s=facts.elapsed_s,
            limit_s=facts.limit_s,
            dead_s=self._dead_s,
            exit_code=None if ended is None else ended.exit_code,
            signal=None if ended is None else ended.signal,
            oom_killed=facts.oom_rise > 0,
            refused_forks=facts.refused_forks,
            guest_exit_code=facts.guest_exit_code,
            bytes_received=None if weights is None else len(weights),
            last_frame=self._transcript.last_frame,
            error_type=None if ended is None else ended.error_type,
            error_message=message,
            traceback=None if ended is None else ended.traceback,
            notes=(*self._notes, *self._observations()),
        )

    def _observations(self) -> list[str]:
        facts, ended, notes = self._facts, self._facts.ended, []
        if facts.oom_rise:
            notes.append(f"the kernel counted {facts.oom_rise} out-of-memory kill(s) while the model ran")
        if facts.refused_forks:
            notes.append(
                f"the limit on processes and threads refused {facts.refused_forks} fork(s) while the model ran"
            )
        if ended is not None and ended.leftovers:
            notes.append(f"{ended.leftovers} leftover process(es) of the plugin were killed")
        if ended is not None and ended.unclean is not None:
            notes.append(f"{ended.unclean}; the next model gets a new guest")
        return notes


def _rise(before: int | None, after: int | None) -> int | None:
    """Return by how much a counter rose; None if it could not be read at both ends."""
    return None if before is None or after is None else max(0, after - before)
