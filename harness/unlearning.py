"""The part of a run that has a guest in it: measuring retraining, and unlearning one model after another."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.budget import Limit, from_fraction, keep_smaller, measure, timing_key
from harness.cache import Cache, key_of
from harness.config import RunConfig
from harness.errors import PluginLoadError, SandboxError, TaskInvalidError
from harness.hardware import cpu_model, cuda_device
from harness.judging import logits_of, torch_threads
from harness.outcomes import ModelOutcome, Status
from harness.own_architectures import batch_sizes, refusal
from harness.progress import Progress
from harness.queries import Pictures
from harness.references import DATA_FILE, Population, write_splits
from harness.remeasuring import Remeasuring
from harness.runners.base import GuestSetup, PluginFacts, Runner
from harness.runners.greeting import NetworkRefusedError
from harness.runners.seats import Seat
from harness.runners.session import Session
from harness.runners.weights import Manifest, same_weights
from harness.store import RunStore
from harness.tasks.model import Task, TaskData
from harness.workers import Queue, share_out
from harness_guest.protocol import Hello
from reference_models.recipe import ModelSpec, derive_seed, to_json

GUEST_SPLITS = ("retain", "forget", "validation")  # never the test set
# A guest that its host has forgotten may be reaped after this many seconds beyond what its models could take.
REAP_MARGIN_S = 3600.0
CHECK_S = 600.0
IMPORT_CHECK_S = 120.0
MAX_SHOWN_LINES = 8
OWN_SETUP_ERRORS = (
    "PluginSetupError",
    "PluginValidationError",
)  # their texts say all, and their frames are the guest's
BUILDS_SIGNS = ("operator torchvision::", "libtorch_cuda", "libc10_cuda", "libcudart", "undefined symbol")
BUILDS_ADVICE = (
    "Its native code was built for another torch than the sandbox's. Take builds that belong together: for a CPU build of torch, "
    "those of https://download.pytorch.org/whl/cpu, by PIP_EXTRA_INDEX_URL or pip's configuration."
)
SAME_INFRA_ERRORS = 3
NO_WAIT_VARIABLE = "HARNESS_NO_WAIT"
REMEASURED_FROM = 1_000  # seeds of retrainings between models are none of those before them
OVERFLOW = (
    "The weights are finite, but the model's outputs are not, with these weights or with them rounded to bfloat16: a forward "
    "pass overflows. Keep the weights in range, e.g. with a smaller learning rate or clipped gradients."
)


def guest_data(data: TaskData, digest: str) -> Path:
    """The file of retain, forget and validation that guests read; made once per data."""

    def build(folder: Path) -> None:
        write_splits(data, GUEST_SPLITS, folder / DATA_FILE)

    folder, _ = Cache("inputs").get_or_build({"format": 1, "data": digest, "splits": list(GUEST_SPLITS)}, build)
    return folder / DATA_FILE


@dataclass(frozen=True)
class Workplace:
    """What every guest of a run shares.

    Attributes:
        task, data, spec: what is being unlearned.
        data_file: as :func:`guest_data` made it.
        originals: the models to unlearn.
        config: the user's options.
        cores: of a guest.
        run_id: for labels.
        judge_device: where logits are computed on the host.
        terminal: path of the terminal on which a failing plugin is debugged; None for none.
        seats: of the workers, one each.
        queries: what every query shows to a returned model.
        architecture: folder with the module of the task's own network; None where it has none.
    """

    task: Task
    data: TaskData
    spec: ModelSpec
    data_file: Path
    originals: Population
    config: RunConfig
    cores: int
    run_id: str
    judge_device: str
    terminal: str | None = None
    seats: tuple[Seat, ...] = (Seat(),)
    queries: Pictures = field(default_factory=dict)
    architecture: Path | None = None

    def judge_device_of(self, seat: Seat) -> str:
        """Where the logits of a worker's models are computed: on no GPU on which another worker's are being measured."""
        if self.judge_device != "cuda" or seat.gpus is None:
            return self.judge_device
        return cuda_device(seat.gpus.partition(",")[0])

    @contextmanager
    def sessions(
        self, runner: Runner, facts: PluginFacts, options: Mapping[str, Any], seconds: float, queue: Queue
    ) -> Iterator[list[Session]]:
        """One conversation for each worker, to work off a queue."""
        with ExitStack() as stack:
            yield [
                stack.enter_context(self.session(runner, facts, options, seconds, seat, queue.__len__))
                for seat in self.seats
            ]

    def session(
        self,
        runner: Runner,
        facts: PluginFacts,
        options: Mapping[str, Any],
        seconds: float,
        seat: Seat = Seat(),  # noqa: B008 -- it is frozen
        due: Callable[[], int] = lambda: 0,
        try_batches: Sequence[int] = (),
    ) -> Session:
        """A conversation with guests of this runner that may go on for ``seconds``.

        With ``try_batches`` each guest does a dry pass of the network with batches of these sizes before it is ready.
        """
        seat = self._held(seat)
        setup = GuestSetup(
            self.data_file, self.run_id, seconds + REAP_MARGIN_S, seat.waiting, seat.gpus, self.architecture
        )
        kept = runner.facts.requested.log_bytes // 2
        hello = Hello(
            plugin=facts.name,
            distribution=facts.distribution,
            model=to_json(self.spec),
            recipe=to_json(self.task.recipe),
            data_path=runner.paths.data_path,
            plugin_path=runner.paths.plugin_path,
            scratch=list(runner.paths.scratch),
            device=runner.device,
            threads=self.cores,
            options=dict(options),
            log_head_bytes=kept,
            log_tail_bytes=kept,
            terminal=self.terminal,
            architecture_path=None if self.architecture is None else runner.paths.architecture_path,
            try_batches=list(try_batches),
        )
        manifest = Manifest.of(self.originals.state(0))
        return Session(
            lambda: runner.start(setup),
            hello,
            manifest=manifest,
            isolation=self.config.isolation,
            seat=seat,
            due=due,
        )

    def _held(self, seat: Seat) -> Seat:
        """A guest that nobody warms up beside is kept on cores only where other workers have theirs.

        Alone it goes where the system puts it: a second run on this machine would else share the first cores with it.
        """
        if self.config.isolation == "model":
            return seat
        return replace(seat, cores=seat.cores if len(self.seats) > 1 else None, spare=(), ahead=1)


def check_in_guest(place: Workplace, runner: Runner, facts: PluginFacts) -> None:
    """Do a dry pass of the task's own network in a guest, and import the plugin there, before anything is trained.

    What is the harness's own needs neither: nothing is started then.

    Raises:
        TaskInvalidError: the network cannot be trained there.
        PluginLoadError: the plugin cannot be imported there or has no hook.
        SandboxError: the guest did not start.
    """
    stranger = facts.origin != "bundled"
    if place.architecture is None and not stranger:
        return
    sizes = () if place.architecture is None else batch_sizes(place.task.recipe, place.data)
    try:
        with place.session(runner, facts, {}, CHECK_S, place.seats[0], try_batches=sizes) as session:
            session.greet()
            if stranger:
                outcome, _ = session.unlearn(0, 0, place.originals.state(0), IMPORT_CHECK_S, import_only=True)
                _refuse_unloaded(facts, outcome)
    except NetworkRefusedError as error:
        raise TaskInvalidError(refusal(place.task, str(error), "inside the sandbox")) from error


def _refuse_unloaded(facts: PluginFacts, outcome: ModelOutcome) -> None:
    """Raise PluginLoadError or SandboxError unless the plugin was imported."""
    if outcome.import_s is not None:
        return
    seen = outcome.evidence
    if outcome.status is Status.INFRA_ERROR:
        raise SandboxError(f"{outcome.advice} {seen.error_message or '; '.join(seen.notes)}")
    message = seen.error_message or outcome.status.value
    if outcome.status is Status.TIMEOUT:
        message = f"its import did not end within {IMPORT_CHECK_S:.0f} s"
    kind = f"{seen.error_type}: " if seen.error_type else ""
    shown = "" if seen.error_type in OWN_SETUP_ERRORS else seen.traceback or outcome.log.head
    frames = "\n".join(shown.strip().splitlines()[-MAX_SHOWN_LINES:])
    advice = BUILDS_ADVICE if any(sign in message for sign in BUILDS_SIGNS) else outcome.advice
    raise PluginLoadError(
        f"The plugin {facts.name} of {facts.distribution} {facts.version} cannot be loaded inside the sandbox, which was tried "
        f"before training: {kind}{message}\n{advice}" + (f"\n{frames}" if frames else "")
    )


def find_limit(place: Workplace, retrain_runner: Callable[[], tuple[Runner, PluginFacts]], progress: Progress) -> Limit:
    """The limit that the user gave, or a fraction of the retraining time on this very hardware."""
    config, budget = place.config, place.task.budget
    if config.time_limit_s is not None:
        return Limit(config.time_limit_s, "explicit", None, (), "", False, clock=config.clock)
    runner, facts = retrain_runner()
    workers = len(place.seats)
    # Side by side, as the models will be: sandboxes share caches and memory bandwidth, and what slows one slows the other.
    measurements = math.ceil(budget.measurements / workers) * workers if config.clock != "steps" else 1
    with progress.step("measuring retraining", measurements) as step:

        def retrain(measurements: int) -> list[ModelOutcome]:
            outcomes: list[ModelOutcome] = []

            def work(session: Session, number: int) -> None:
                outcomes.append(_retrain_one(place, session, number))
                step.advance()

            queue = Queue(range(measurements))
            with place.sessions(runner, facts, {}, 24 * 3600.0, queue) as sessions:
                share_out(queue, sessions, place.seats, work)
            return outcomes

        measured = measure(
            _timing_inputs(place, runner, facts),
            retrain,
            measurements,
            waits=waits(config),
            tell=progress.notice,
        )
    fraction = config.budget_fraction if config.budget_fraction is not None else budget.fraction
    return from_fraction(fraction, measured, config.clock)


def waits(config: RunConfig) -> bool:
    """Return True if retraining is measured at rest only: other work makes a time longer, and hardly any other count."""
    return config.clock == "wall" and not config.no_wait and not os.environ.get(NO_WAIT_VARIABLE)


def remeasuring(
    place: Workplace,
    limit: Limit,
    retrain_runner: Callable[[], tuple[Runner, PluginFacts]],
    progress: Progress,
    keep: Callable[[float], None],
) -> Remeasuring | None:
    """Return what measures retraining again between models; None where the limit rests on no measured time.

    Args:
        place: what every guest of the run shares.
        limit: in force.
        retrain_runner: makes the runner of ``retrain``.
        progress: told where it cannot go on.
        keep: takes each time, in the unit of the limit's clock.
    """
    if limit.how != "fraction" or limit.clock == "steps":
        return None

    running: list[Session] = []

    def end() -> None:
        for session in tuple(running):
            session.stop()

    def retrain(number: int, seat: Seat) -> float | None:
        runner, facts = retrain_runner()
        inputs = _timing_inputs(place, runner, facts)
        if key_of(timing_key(inputs)) != limit.key:  # e.g. resumed with other workers
            return None
        try:
            with place.session(runner, facts, {}, 24 * 3600.0, seat) as session:
                running[:] = [session]
                outcome = _retrain_one(place, session, REMEASURED_FROM + number)
        except SandboxError as error:
            progress.notice(f"Retraining is not measured again between models: {error}")
            return None
        if not outcome.status.finished or outcome.charged is None:
            return None
        keep_smaller(inputs, outcome.charged)
        keep(outcome.charged)
        return outcome.charged

    return Remeasuring(retrain, max(limit.elapsed_s, default=limit.limit_s), end)


def _retrain_one(place: Workplace, session: Session, number: int) -> ModelOutcome:
    index = number % len(place.originals.seeds)
    seed = derive_seed("retraining time", place.task.seed, number)
    original, journal = place.originals.state(index), place.originals.journal(index)
    outcome, _ = session.unlearn(index, seed, original, None, journal, clock=place.config.clock)
    return outcome


def _timing_inputs(place: Workplace, runner: Runner, facts: PluginFacts) -> dict[str, Any]:
    return {
        "data": place.originals.keys,
        "model": to_json(place.spec),
        "recipe": to_json(place.task.recipe),
        "plugin": facts.digest,
        "runner": runner.facts.name,
        "image": runner.facts.image,
        "device": runner.device,
        "gpu": dict(runner.facts.gpu or {}),
        "cores": place.cores,
        "cpu": cpu_model(),
        "memory_mib": place.config.memory_mib,
        "workers": len(place.seats),
        "clock": place.config.clock,
    }


class InfraErrors:
    """Stops a run whose models end one after another with the same failure of the sandbox."""

    def __init__(self) -> None:
        self._last: list[tuple[str | None, str | None, int | None]] = []

    def count(self, outcome: ModelOutcome) -> None:
        """Take note of how a model ended.

        Raises:
            SandboxError: it is the third in a row that ended with the same infrastructure error.
        """
        if outcome.status is not Status.INFRA_ERROR:
            self._last.clear()
            return
        seen = outcome.evidence
        cause = (seen.error_type, seen.error_message, seen.guest_exit_code)
        self._last = [*self._last, cause] if cause in self._last else [cause]
        if len(self._last) == SAME_INFRA_ERRORS:
            notes = "; ".join(seen.notes)
            what = seen.error_message or notes or f"the guest ended with exit status {seen.guest_exit_code}"
            raise SandboxError(
                f"{SAME_INFRA_ERRORS} models in a row ended with the same failure of the sandbox, so the run stops: {what}. "
                "`harness doctor` looks at the sandbox; resumed, the run does these models again."
            )


def unlearn_all(
    place: Workplace,
    runner: Runner,
    facts: PluginFacts,
    limit: Limit,
    store: RunStore,
    progress: Progress,
    between: Remeasuring | None = None,
) -> list[ModelOutcome]:
    """Unlearn every original that has not ended yet; each one's end is on disk before its worker begins the next.

    A model whose sandbox failed says nothing about the plugin, so that a run that goes on does it again. ``between`` is asked
    after each model but the last.
    """
    finished = {i: outcome for i, outcome in store.finished().items() if outcome.status is not Status.INFRA_ERROR}
    plan = place.config.plan(len(place.originals.seeds))
    models = len(plan)
    seconds = models * (limit.deadline_s + 60.0)
    queue = Queue(index for index in range(models) if index not in finished)
    infra = InfraErrors()
    with progress.step(f"unlearning with {facts.name}", models) as step:
        step.advance(len(finished))

        def work(session: Session, index: int) -> None:
            finished[index] = _unlearn_one(place, session, index, plan[index], limit, store)
            step.advance()
            infra.count(finished[index])
            if between is not None and len(queue):
                between.after_model(session.seat)

        with place.sessions(runner, facts, place.config.options, seconds, queue) as sessions:
            share_out(queue, sessions, place.seats, work, lambda: None if between is None else between.stop())
    return [finished[index] for index in range(models)]


def _unlearn_one(
    place: Workplace, session: Session, index: int, original: int, limit: Limit, store: RunStore
) -> ModelOutcome:
    before = store.begin_model(index)
    seed = derive_seed("unlearn", place.config.seed, index)
    journal = place.originals.journal(original)
    outcome, weights = session.unlearn(
        index,
        seed,
        place.originals.state(original),
        limit.limit_s,
        journal,
        clock=limit.clock,
        deadline_s=None if limit.clock == "wall" else limit.deadline_s,
    )
    earlier = (*before, *outcome.earlier_attempts)
    outcome = replace(outcome, attempts=len(earlier) + 1, earlier_attempts=earlier, original=original)
    began_s, logits = time.monotonic(), None
    if outcome.status.finished and weights is not None:
        outcome = replace(outcome, unchanged=same_weights(weights, place.originals.state(original)))
        if place.config.keep_weights:
            store.keep_weights(index, weights)
        with torch_threads(place.cores):  # however many workers there are
            logits = logits_of(place.spec, weights, place.data, place.judge_device_of(session.seat), place.queries)
        if not all(np.isfinite(array).all() for array in logits.values()):
            outcome, logits = replace(outcome, status=Status.OUTPUT_INVALID, advice=OVERFLOW), None
    outcome = replace(outcome, judge_s=time.monotonic() - began_s)
    store.finish_model(outcome, logits)
    return outcome
