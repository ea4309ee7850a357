"""Unlearning of all models of a run, with each outcome stored immediately."""

from __future__ import annotations

import time
from dataclasses import replace

from harness.core.outcomes import Evidence, ModelOutcome, Status
from harness.core.progress import Progress
from harness.errors import SandboxError
from harness.posts.dispatch import MAX_NODES, Crew, Seat, share_out
from harness.posts.drain import drained
from harness.posts.post import UnlearnTask
from harness.posts.queue import Queue
from harness.runners.session.session import IMPORT_LIMIT_S
from harness.runs.budget import Limit
from harness.runs.fail_fast import FailFast
from harness.runs.remeasuring import Remeasuring
from harness.runs.store import RunStore
from harness.runs.unlearning_setup import UnlearningSetup
from harness_guest.protocol import STATE
from reference_models.networks.recipe import derive_seed

SAME_INFRA_ERRORS = 3
LOST = "lost: "
LOST_ADVICE = (
    "The machines on which this model ran stopped answering. Check them, then resume the run, which repeats it."
)


class InfraErrors:
    """Counter of consecutive identical failures of the sandbox, to stop a run."""

    def __init__(self) -> None:
        self._last: list[tuple[str | None, str | None, int | None]] = []

    def count(self, outcome: ModelOutcome) -> None:
        """Record a model's outcome.

        Raises:
            SandboxError: it is the third in a row with the same infrastructure error.
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
                "Check the sandbox with `harness doctor`, then resume the run, which repeats these models."
            )


def unlearn_all(
    setup: UnlearningSetup,
    limit: Limit,
    store: RunStore,
    progress: Progress,
    crew: Crew,
    between: Remeasuring | None = None,
) -> list[ModelOutcome]:
    """Unlearn every model without an outcome; store each outcome before its worker starts the next model.

    A failure of the sandbox is no evidence about the plugin, so a resumed run repeats these models. ``between`` is called after
    each model except the last. Unless the run is to keep going, it stops when its first models fail alike.

    Returns:
        the outcomes of all models, by index; if the run stopped early, of those that have ended.
    """
    ended = store.finished()
    finished = {i: outcome for i, outcome in ended.items() if outcome.status is not Status.INFRA_ERROR}
    plan = setup.config.plan(len(setup.originals.seeds))
    models = len(plan)
    seconds = models * (limit.deadline_s + IMPORT_LIMIT_S + 60.0)
    queue = Queue(index for index in range(models) if index not in finished)
    infra = InfraErrors()
    fail_fast = None if setup.config.keep_going else FailFast(queue, finished.values())
    with progress.step(f"unlearning with {setup.facts.name}", models) as step:
        step.advance(len(finished))

        def end(outcome: ModelOutcome) -> None:
            finished[outcome.index] = outcome
            step.advance()
            infra.count(outcome)
            if fail_fast is not None:
                fail_fast.count(outcome)

        def work(seat: Seat, index: int) -> None:
            end(_unlearn_one(setup, seat, index, plan[index], limit, store, seconds, len(queue)))
            if between is not None and len(queue):
                between.after_model(seat)

        def lose(index: int, reason: str, nodes: int) -> bool:
            progress.notice(f"Model {index} was {LOST}{reason}.")
            earlier = store.lose_model(index, f"{LOST}{reason}")
            if nodes < MAX_NODES:
                return True
            seen = Evidence(error_message=f"{LOST}{reason}")
            outcome = ModelOutcome(
                index, _seed(setup, index), Status.INFRA_ERROR, LOST_ADVICE, evidence=seen, original=plan[index]
            )
            outcome = replace(outcome, attempts=len(earlier) + 1, earlier_attempts=earlier)
            store.finish_model(outcome, None)
            end(outcome)
            return False

        with drained(queue, also_terminated=crew.arrivals is not None):
            try:
                share_out(queue, crew, work, lose)
            finally:
                crew.shut("plugin")
    ended |= finished
    return [ended[index] for index in sorted(ended)]


def _seed(setup: UnlearningSetup, index: int) -> int:
    return derive_seed("unlearn", setup.config.seed, index)


def _unlearn_one(
    setup: UnlearningSetup,
    seat: Seat,
    index: int,
    original: int,
    limit: Limit,
    store: RunStore,
    life_s: float,
    left: int,
) -> ModelOutcome:
    before = store.begin_model(index)
    task = UnlearnTask(
        "plugin",
        index,
        _seed(setup, index),
        setup.handed_over(original),
        limit.limit_s,
        setup.originals.journal(original),
        limit.clock,
        None if limit.clock == "wall" else limit.deadline_s,
        life_s,
        left,
        keep=setup.config.keep_weights or setup.probes,
    )
    done = seat.post.unlearn(seat.number, task)
    began_s, outcome = time.monotonic(), done.outcome
    earlier = (*before, *outcome.earlier_attempts)
    outcome = replace(outcome, attempts=len(earlier) + 1, earlier_attempts=earlier, original=original)
    if done.weights is not None:
        store.keep_weights(index, done.weights, done.kept)
    if setup.task.request is not None and not outcome.status.finished and setup.config.failed_as == "noop":
        given = {name: array for name, array in task.state.items() if name != STATE}
        store.keep_weights(index, given, task.state.get(STATE))  # the next request begins with these
    outcome = replace(outcome, judge_s=(outcome.judge_s or 0.0) + time.monotonic() - began_s)
    store.finish_model(outcome, done.logits)
    return outcome
