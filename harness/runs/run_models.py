"""Unlearning of all models of a run, with each outcome stored immediately."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from harness.core.outcomes import ModelOutcome, Status
from harness.core.progress import Progress
from harness.errors import SandboxError
from harness.runners.session.session import IMPORT_LIMIT_S, Session
from harness.runners.session.weights import same_weights
from harness.runs.budget import Limit
from harness.runs.fail_fast import FailFast
from harness.runs.remeasuring import Remeasuring
from harness.runs.scoring import logits_of, torch_threads
from harness.runs.store import RunStore
from harness.runs.unlearning_setup import UnlearningSetup
from harness.runs.work_queue import Queue, share_out
from harness_guest.protocol import STATE
from reference_models.networks.recipe import derive_seed

SAME_INFRA_ERRORS = 3
OVERFLOW = (
    "The weights are finite, but the model's outputs are not, with these weights or with them rounded to bfloat16: a forward "
    "pass overflows. Keep the weights in range, e.g. with a smaller learning rate or clipped gradients."
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

        def work(session: Session, index: int) -> None:
            finished[index] = _unlearn_one(setup, session, index, plan[index], limit, store)
            step.advance()
            infra.count(finished[index])
            if fail_fast is not None:
                fail_fast.count(finished[index])
            if between is not None and len(queue):
                between.after_model(session.core_set)

        with setup.sessions(setup.runner, setup.facts, setup.config.options, seconds, queue) as sessions:
            share_out(queue, sessions, setup.core_sets, work, lambda: None if between is None else between.stop())
    ended |= finished
    return [ended[index] for index in sorted(ended)]


def _unlearn_one(
    setup: UnlearningSetup, session: Session, index: int, original: int, limit: Limit, store: RunStore
) -> ModelOutcome:
    before = store.begin_model(index)
    seed = derive_seed("unlearn", setup.config.seed, index)
    journal = setup.originals.journal(original)
    outcome, weights = session.unlearn(
        index,
        seed,
        setup.handed_over(original),
        limit.limit_s,
        journal,
        clock=limit.clock,
        deadline_s=None if limit.clock == "wall" else limit.deadline_s,
    )
    earlier = (*before, *outcome.earlier_attempts)
    outcome = replace(outcome, attempts=len(earlier) + 1, earlier_attempts=earlier, original=original)
    began_s, logits = time.monotonic(), None
    if outcome.status.finished and weights is not None:
        kept = weights.pop(STATE, None)
        outcome = replace(outcome, unchanged=same_weights(weights, setup.originals.state(original)))
        if setup.config.keep_weights or setup.probes:
            store.keep_weights(index, weights, kept)
        with torch_threads(setup.cores):  # independent of the number of workers, for identical numbers
            logits = logits_of(
                setup.spec, weights, setup.references.data, setup.judge_device_of(session.core_set), setup.queries
            )
        if not all(np.isfinite(array).all() for array in logits.values()):
            outcome, logits = replace(outcome, status=Status.OUTPUT_INVALID, advice=OVERFLOW), None
    if setup.task.request is not None and not outcome.status.finished and setup.config.failed_as == "noop":
        given = setup.handed_over(original)  # the next request begins with these
        store.keep_weights(index, {name: array for name, array in given.items() if name != STATE}, given.get(STATE))
    outcome = replace(outcome, judge_s=time.monotonic() - began_s)
    store.finish_model(outcome, logits)
    return outcome
