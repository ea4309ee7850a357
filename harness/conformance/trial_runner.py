"""Trials of a plugin in warm guests, one guest per case, with cached results."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from typing_extensions import Self

from harness.conformance.cases import MLP, SHORT_CASES, Case
from harness.conformance.journals import journal_file
from harness.core.outcomes import ModelOutcome
from harness.runners.base import GuestSetup, PluginFacts, Runner
from harness.runners.session.greeting import hello_for
from harness.runners.session.session import Session
from harness.runners.session.weights import Manifest, State
from harness_guest.probe_network import BUFFER, OBSERVATIONS
from reference_models.networks.recipe import to_json

FIRST_SEED, OTHER_SEED = 1, 2
LIMIT_S = 60.0
"""Time limit of a trial that takes milliseconds, seconds: only a hang reaches it."""
BUDGET_S = 2.0
REAP_AFTER_S = 3600.0
GUESTS_AT_ONCE = 2


@dataclass(frozen=True)
class Trial:
    """The result of one unlearning.

    Attributes:
        outcome: its outcome.
        state: the unlearned weights, without the probe network's buffer; None if none came back.
        seen: values recorded by the probe network, by :data:`harness_guest.probe_network.OBSERVATIONS`; empty for other networks.
    """

    outcome: ModelOutcome
    state: State | None
    seen: Mapping[str, float]

    def same_weights(self, other: Trial) -> bool:
        """Return True if both trials returned weights and these are identical."""
        if self.state is None or other.state is None:
            return False
        return all(np.array_equal(array, other.state[name]) for name, array in self.state.items())


class _Key(NamedTuple):
    case: Case
    seed: int
    repeat: int
    limit_s: float
    on_gpu: bool


class TrialRunner:
    """A context manager that runs trials of one plugin and caches their results.

    Args:
        runner: runner of guests on the CPU.
        facts: facts of the plugin.
        options: options of the plugin, as of ``--set``.
        gpu_runner: returns a runner of guests on a GPU; None without a GPU.
        budget_s: time limit for the check of the budget, seconds, in addition to twice the plugin's time for a small task.
    """

    def __init__(
        self,
        runner: Runner,
        facts: PluginFacts,
        options: Mapping[str, Any] | None = None,
        gpu_runner: Callable[[], Runner] | None = None,
        budget_s: float = BUDGET_S,
    ) -> None:
        self.facts, self.budget_s, self.has_gpu = facts, budget_s, gpu_runner is not None
        self._runner, self._gpu_runner = runner, gpu_runner
        self._options = dict(options or {})
        self._sessions: dict[tuple[Case, bool], Session] = {}
        self._trials: dict[_Key, Trial] = {}
        self._run_id = f"check-{secrets.token_hex(4)}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop all guests."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def forget_trials(self) -> None:
        """Clear the cached results, e.g. after a change of the plugin; guests stay warm."""
        self._trials.clear()

    def trial(
        self,
        case: Case = MLP,
        *,
        seed: int = FIRST_SEED,
        repeat: int = 0,
        limit_s: float = LIMIT_S,
        on_gpu: bool = False,
    ) -> Trial:
        """Unlearn the case's original, or return the cached result.

        Args:
            case: the task.
            seed: seed of the unlearning.
            repeat: distinguishes trials with otherwise equal arguments.
            limit_s: time limit, seconds.
            on_gpu: run on a GPU; requires :attr:`has_gpu`.
        """
        key = _Key(case, seed, repeat, limit_s, on_gpu)
        if key not in self._trials:
            session, journal = self._session(case, on_gpu), journal_file(case)
            outcome, state = session.unlearn(0, seed, case.original(), limit_s, journal)
            seen = () if state is None else state.pop(BUFFER, ())
            self._trials[key] = Trial(outcome, state, dict(zip(OBSERVATIONS, map(float, seen), strict=False)))
        return self._trials[key]

    def warm_up(self) -> None:
        """Run the first trial of every short case, two at a time, since starting guests is slow."""
        for case in SHORT_CASES:
            self._session(case, on_gpu=False)
        with ThreadPoolExecutor(GUESTS_AT_ONCE) as pool:
            list(pool.map(self.trial, SHORT_CASES))

    def _session(self, case: Case, on_gpu: bool) -> Session:
        if (case, on_gpu) not in self._sessions:
            runner = self._gpu_runner() if on_gpu and self._gpu_runner is not None else self._runner
            setup = GuestSetup(self._run_id, REAP_AFTER_S)
            manifest = Manifest.of(case.original())
            spec, recipe = to_json(case.spec()), to_json(case.recipe)
            hello = hello_for(runner, self.facts, spec, recipe, options=self._options)
            self._sessions[case, on_gpu] = Session(
                lambda: runner.start(setup), hello, data=case.data_file(), manifest=manifest
            )
        return self._sessions[case, on_gpu]
