"""The limit of a run: the retraining time through the same runner, measured before and between the models."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

from harness.core.cache import key_of
from harness.core.hardware import cpu_model
from harness.core.outcomes import ModelOutcome
from harness.core.progress import Progress
from harness.errors import SandboxError
from harness.references.identity import ROLES
from harness.runners.base import PluginFacts, Runner
from harness.runners.cores import CoreSet
from harness.runners.session.session import Session
from harness.runs.budget import Limit, from_fraction, keep_smaller, measure, timing_key
from harness.runs.config import RunConfig
from harness.runs.remeasuring import Remeasuring
from harness.runs.unlearning_setup import UnlearningSetup
from harness.runs.work_queue import Queue, share_out
from reference_models.networks.recipe import derive_seed, to_json

NO_WAIT_VARIABLE = "HARNESS_NO_WAIT"
REMEASURED_FROM = 1_000  # retrainings between models use other seeds than those before them


def find_limit(
    setup: UnlearningSetup, retrain_runner: Callable[[], tuple[Runner, PluginFacts]], progress: Progress
) -> Limit:
    """Return the user's limit, or a fraction of the retraining time on this hardware."""
    config, budget = setup.config, setup.task.budget
    if config.time_limit_s is not None:
        return Limit(config.time_limit_s, clock=config.clock)
    runner, facts = retrain_runner()
    workers = len(setup.core_sets)
    # In parallel, as for the models: sandboxes share caches and memory bandwidth and slow each other down.
    measurements = math.ceil(budget.measurements / workers) * workers if config.clock != "steps" else 1
    with progress.step("measuring retraining", measurements) as step:

        def retrain(measurements: int) -> list[ModelOutcome]:
            outcomes: list[ModelOutcome] = []

            def work(session: Session, number: int) -> None:
                outcomes.append(_retrain_one(setup, session, number))
                step.advance()

            queue = Queue(range(measurements))
            with setup.sessions(runner, facts, {}, 24 * 3600.0, queue) as sessions:
                share_out(queue, sessions, setup.core_sets, work)
            return outcomes

        measured = measure(
            _timing_inputs(setup, runner, facts),
            retrain,
            measurements,
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
    retrain_runner: Callable[[], tuple[Runner, PluginFacts]],
    progress: Progress,
    keep: Callable[[float], None],
) -> Remeasuring | None:
    """Return the re-measurement of retraining between models; None if the limit is not a measured time.

    Args:
        setup: shared by all guests of the run.
        limit: the limit in force.
        retrain_runner: makes the runner of ``retrain``.
        progress: receives a notice if re-measurement fails.
        keep: called with each measured time, in the unit of the limit's clock.
    """
    if limit.how != "fraction" or limit.clock == "steps":
        return None

    running: list[Session] = []

    def end() -> None:
        for session in tuple(running):
            session.stop()

    def retrain(number: int, core_set: CoreSet) -> float | None:
        runner, facts = retrain_runner()
        inputs = _timing_inputs(setup, runner, facts)
        if key_of(timing_key(inputs)) != limit.key:  # e.g. resumed with other workers
            return None
        try:
            with setup.session(runner, facts, {}, 24 * 3600.0, core_set) as session:
                running[:] = [session]
                outcome = _retrain_one(setup, session, REMEASURED_FROM + number)
        except SandboxError as error:
            progress.notice(f"Retraining is not measured again between models: {error}")
            return None
        if not outcome.status.finished or outcome.charged is None:
            return None
        keep_smaller(inputs, outcome.charged)
        keep(outcome.charged)
        return outcome.charged

    return Remeasuring(retrain, max(limit.elapsed_s, default=limit.limit_s), end)


def _retrain_one(setup: UnlearningSetup, session: Session, number: int) -> ModelOutcome:
    index = number % len(setup.originals.seeds)
    seed = derive_seed("retraining time", setup.task.seed, number)
    original, journal = setup.originals.state(index), setup.originals.journal(index)
    outcome, _ = session.unlearn(index, seed, original, None, journal, clock=setup.config.clock)
    return outcome


def _timing_inputs(setup: UnlearningSetup, runner: Runner, facts: PluginFacts) -> dict[str, Any]:
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
        "cpu": cpu_model(),
        "memory_mib": setup.config.memory_mib,
        "workers": len(setup.core_sets),
        "clock": setup.config.clock,
    }
