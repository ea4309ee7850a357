"""The limit of a run: the retraining time through the same runner, measured before and between the models."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

from harness.core.cache import key_of
from harness.core.outcomes import ModelOutcome
from harness.core.progress import Progress
from harness.errors import SandboxError
from harness.posts.dispatch import Crew, Seat, share_out
from harness.posts.local import Equipment
from harness.posts.post import Post, PostLostError, UnlearnTask
from harness.posts.queue import Queue
from harness.references.identity import ROLES
from harness.runs.budget import Limit, from_fraction, keep_smaller, measure, timing_key
from harness.runs.config import RunConfig
from harness.runs.remeasuring import Remeasuring
from harness.runs.unlearning_setup import UnlearningSetup
from reference_models.networks.recipe import derive_seed, to_json

NO_WAIT_VARIABLE = "HARNESS_NO_WAIT"
DAY_S = 24 * 3600.0
REMEASURED_FROM = 1_000  # retrainings between models use other seeds than those before them


def find_limit(setup: UnlearningSetup, retrain_with: Callable[[], Equipment], crew: Crew, progress: Progress) -> Limit:
    """Return the user's limit, or a fraction of the retraining time on this hardware."""
    config, budget = setup.config, setup.task.budget
    if config.time_limit_s is not None:
        return Limit(config.time_limit_s, clock=config.clock)
    one = crew.alone()
    post = one.posts[0]
    # In parallel, as for the models: sandboxes share caches and memory bandwidth and slow each other down.
    measurements = math.ceil(budget.measurements / post.seats) * post.seats if config.clock != "steps" else 1
    with progress.step("measuring retraining", measurements) as step:

        def retrain(measurements: int) -> list[ModelOutcome]:
            outcomes: list[ModelOutcome] = []
            queue = Queue(range(measurements))

            def work(seat: Seat, number: int) -> None:
                outcomes.append(_retrain_one(setup, seat, number, len(queue)))
                step.advance()

            try:
                share_out(queue, one, work)
            finally:
                one.shut("retrain")
            return outcomes

        measured = measure(
            _timing_inputs(setup, retrain_with(), post),
            retrain,
            measurements,
            rest=post.rest(),
            waits=waits(config),
            tell=progress.notice,
        )
    fraction = config.budget_fraction if config.budget_fraction is not None else budget.fraction
    return from_fraction(fraction, measured, config.clock)


def waits(config: RunConfig) -> bool:
    """Return True if retraining is measured only on an idle machine, because other load affects the clock."""
    return config.clock == "wall" and not config.no_wait and not os.environ.get(NO_WAIT_VARIABLE)


def remeasuring(
    setup: UnlearningSetup,
    limit: Limit,
    retrain_with: Callable[[], Equipment],
    progress: Progress,
    keep: Callable[[float], None],
) -> Remeasuring | None:
    """Return the re-measurement of retraining between models; None if the limit is not a measured time.

    Args:
        setup: shared by all guests of the run.
        limit: the limit in force.
        retrain_with: returns the runner of ``retrain``.
        progress: receives a notice if re-measurement fails.
        keep: called with each measured time, in the unit of the limit's clock.
    """
    if limit.how != "fraction" or limit.clock == "steps":
        return None

    def retrain(number: int, seat: Seat) -> float | None:
        inputs = _timing_inputs(setup, retrain_with(), seat.post)
        if key_of(timing_key(inputs)) != limit.key:  # e.g. resumed with other workers
            return None
        try:
            outcome = _retrain_one(setup, seat, REMEASURED_FROM + number)
            seat.post.shut("retrain", seat.number)
        except (SandboxError, PostLostError) as error:
            progress.notice(f"Retraining is not measured again between models: {error}")
            return None
        if not outcome.status.finished or outcome.charged is None:
            return None
        keep_smaller(inputs, outcome.charged)
        keep(outcome.charged)
        return outcome.charged

    return Remeasuring(retrain, max(limit.elapsed_s, default=limit.limit_s))


def _retrain_one(setup: UnlearningSetup, seat: Seat, number: int, left: int = 0) -> ModelOutcome:
    index = number % len(setup.originals.seeds)
    seed = derive_seed("retraining time", setup.task.seed, number)
    original, journal = setup.originals.state(index), setup.originals.journal(index)
    clock = setup.config.clock
    task = UnlearnTask("retrain", index, seed, original, None, journal, clock, None, DAY_S, left, judged=False)
    return seat.post.unlearn(seat.number, task).outcome


def _timing_inputs(setup: UnlearningSetup, retrain: Equipment, post: Post) -> dict[str, Any]:
    runner, facts = retrain.runner, retrain.facts
    return {
        "data": setup.originals.keys if setup.references.roles == ROLES else [setup.references.data_digest],
        "model": to_json(setup.spec),
        "recipe": to_json(setup.task.recipe),
        "plugin": facts.digest,
        "runner": runner.facts.name,
        "image": runner.facts.image,
        "device": runner.device,
        "gpu": dict(runner.facts.gpu or {}),
        "cores": setup.cores,
        "cpu": post.cpu_model,
        "memory_mib": setup.config.memory_mib,
        "workers": post.seats,
        "clock": setup.config.clock,
    }
