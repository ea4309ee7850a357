"""What a run will do, how long it will take and what it needs, before any of it begins.

Durations are those of earlier runs of the same work on this machine (:mod:`harness.core.history`). Without any, that of training
is estimated from a trial step, and the others are unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core import hardware
from harness.core.cache import cache_root
from harness.core.files import free_mib
from harness.core.history import History
from harness.errors import NoSpaceError, UsageError
from harness.evaluation import SPLITS
from harness.probes.probe import Probe
from harness.references.identity import ROLES, device_kind
from harness.references.populations import Population, References
from harness.references.probing import Probing
from harness.report.budget_words import amount
from harness.report.findings import LEAST_MODELS, LEAST_TESTED
from harness.report.verdict import FULL_POWER
from harness.report.words import duration
from harness.runs.budget import Limit
from harness.runs.config import RunConfig
from harness.runs.trial_step import estimated_training_s
from harness.tasks.task import Task
from reference_models.networks.recipe import to_json

LONG_S = 60.0
"""Expected seconds from which a run begins with its plan."""
FLOAT_BYTES = 4
MIB = 1 << 20


@dataclass(frozen=True)
class Work:
    """The kinds of work whose durations are kept: for each, everything that its duration depends on.

    Attributes:
        training: data, network, recipe and hardware.
        retraining: the same, with runner, workers and clock.
        unlearning: the same, with the plugin.
        unlearning_with: the same, with the plugin's options.
        scoring: what training depends on, with the evaluators.
    """

    training: Mapping[str, Any]
    retraining: Mapping[str, Any]
    unlearning: Mapping[str, Any]
    unlearning_with: Mapping[str, Any]
    scoring: Mapping[str, Any]

    @classmethod
    def of(cls, config: RunConfig, references: References, runner: str) -> Work:
        """Return the work of a run by the runner of this name."""
        training = {
            "data": references.data_digest,
            "model": to_json(references.spec),
            "recipe": to_json(references.task.recipe),
            "device": device_kind(references.device),
            "cpu": hardware.cpu_model(),
            "cores": hardware.available_cores(),
        }
        runs = {"workers": config.workers, "cpus": config.cpus, "isolation": config.isolation, "clock": config.clock}
        retraining = {**training, **runs, "runner": runner}
        unlearning = {**retraining, "plugin": config.plugin}
        return cls(
            training=training,
            retraining=retraining,
            unlearning=unlearning,
            unlearning_with={**unlearning, "options": dict(config.options)},
            scoring={**training, "evaluators": list(config.evaluators)},
        )


@dataclass(frozen=True)
class Plan:
    """A run before it begins.

    Attributes:
        config, task: the user's options and the task.
        models: number of models of a population.
        unlearnings: number of models to unlearn.
        to_train: number of reference models that are not in the cache.
        train_s, measure_s, unlearn_s, probe_s, score_s: expected wall-clock seconds; None if unknown.
        trial: ``train_s`` is an estimate from a trial step, not from earlier training.
        limit: expected limit of a model; None if unknown.
        cache_mib, run_mib: what the run will write.
        host_mib: memory of the host for the outputs of all models.
        probes: what is computed from the weights of all models, by name.
        choice: what the choice of the forget set by models takes; empty if there is nothing to choose.
    """

    config: RunConfig
    task: Task
    models: int
    unlearnings: int
    to_train: int
    train_s: float | None
    measure_s: float | None
    unlearn_s: float | None
    score_s: float | None
    limit: Limit | None
    cache_mib: float
    run_mib: float
    host_mib: float
    probes: tuple[str, ...] = ()
    probe_s: float = 0.0
    trial: bool = False
    choice: str = ""

    @property
    def _parts_s(self) -> tuple[float | None, ...]:
        return (self.train_s, self.measure_s, self.unlearn_s, self.probe_s, self.score_s)

    @property
    def is_long(self) -> bool:
        """Return True if the run may take a minute or more."""
        return None in self._parts_s or sum(part or 0.0 for part in self._parts_s) >= LONG_S

    @property
    def total(self) -> str:
        """Return the expected duration of the whole run in words."""
        known = sum(part or 0.0 for part in self._parts_s)
        if None not in self._parts_s:
            return about(known)
        return f"more than {_time(known)}" if known else about(None)

    def check(self) -> None:
        """Refuse a run that this machine cannot hold.

        Raises:
            NoSpaceError: the disk has too little space.
            UsageError: the models do not fit into memory.
        """
        free = free_mib(cache_root())
        if self.cache_mib > free:
            raise NoSpaceError(
                f"{self.models} models of {self.task.name} need {mib_text(self.cache_mib)} in the cache, but {mib_text(free)} "
                f"are free at {cache_root()}. Reduce --models, free some space (`harness references prune`), or set "
                "HARNESS_CACHE_DIR."
            )
        memory = hardware.memory_mib()
        if self.host_mib > memory:
            raise UsageError(
                f"{self.models} models of {self.task.name} need {mib_text(self.host_mib)} of memory for their outputs, "
                f"but the machine has {mib_text(memory)}. Reduce --models."
            )

    def verdict_notice(self) -> str:
        """Return which verdicts are out of reach with this number of models; empty if none is."""
        if self.models >= LEAST_MODELS:
            return ""
        models = f"{self.models} model{'s' if self.models > 1 else ''}"
        advised = f"{LEAST_MODELS} needed, {FULL_POWER} advised: --models {FULL_POWER}"
        if self.models < LEAST_TESTED:
            return f"{models}: no verdict will be possible ({advised})."
        return f"{models}: success cannot be shown, only a failure to forget ({advised})."

    def sentence(self) -> str:
        """Return the plan in one line, for a run that begins."""
        references = f"{len(ROLES) * self.models} reference models"
        if self.to_train:
            references += f", {self.to_train} to train ({self._training()})"
        else:
            references += " from the cache"
        return (
            f"Plan: {references}; {self.unlearnings} models to unlearn ({about(self.unlearn_s)}); in all: {self.total}. "
            "Details: --dry-run."
        )

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield a name and a text for each part of the plan, for ``--dry-run``."""
        cached = len(ROLES) * self.models - self.to_train
        if self.choice:
            yield "Forget set", self.choice
        yield "Models", f"{self.models} a population, {self.unlearnings} to unlearn"
        yield "References", f"{cached} cached, {self.to_train} to train: {self._training()}"
        yield "Limit", self._limit()
        yield "Unlearning", f"{about(self.unlearn_s)}{self._most()}"
        if self.probes:
            yield "Probes", f"{', '.join(self.probes)}: {about(self.probe_s)}"
        yield "Scoring", about(self.score_s)
        yield "Total", self.total
        parallel = self.config.workers
        where = "the sandbox" if parallel == 1 else f"each of {parallel} sandboxes"
        each = f"{mib_text(self.config.memory_mib)} at most for {where}"
        yield "Memory", f"{each}; {mib_text(self.host_mib)} for the outputs of all models"
        free = mib_text(free_mib(cache_root()))
        yield (
            "Disk",
            f"{mib_text(self.cache_mib)} in the cache ({free} free), {mib_text(self.run_mib)} in the run folder",
        )
        yield "Verdict", self.verdict_notice() or f"possible with {self.models} models"

    def _training(self) -> str:
        return f"{about(self.train_s)}{', by a trial step' if self.trial else ''}"

    def _limit(self) -> str:
        config = self.config
        if config.time_limit_s is not None:
            return f"{amount(config.time_limit_s, config.clock)} a model, as given"
        fraction = self.task.budget.fraction if config.budget_fraction is None else config.budget_fraction
        share = f"{100 * fraction:g} % of retraining"
        if self.limit is None:
            return f"{share}, measured first: {about(self.measure_s)}"
        return f"{share}: {amount(self.limit.limit_s, config.clock)} when last measured"

    def _most(self) -> str:
        """Return the longest time that all models together may be charged; empty if the limit is not one of seconds."""
        if self.limit is None or self.limit.clock != "wall":
            return ""
        return f"; the limit allows {duration(self.unlearnings * self.limit.limit_s / self.config.workers)}"


def make_plan(
    config: RunConfig,
    task: Task,
    references: References,
    work: Work,
    network: Population,
    probes: Sequence[Probe] = (),
    history: History | None = None,
    *,
    choice: str = "",
) -> Plan:
    """Return the plan of a run. Nothing is trained, and no sandbox is started.

    Args:
        config, task, references, work: of the run.
        network: an untrained model of the task, for its size.
        probes: that the evaluators ask for.
        history: durations of earlier runs; default: the user's.
        choice: what the choice of the forget set by models takes, a sentence.

    Raises:
        UsageError: another number of models was imported.
    """
    history = history or History()
    models = config.models or task.models
    unlearnings = len(config.plan(models))
    to_train = sum(chunk.models for chunk in references.missing(models))

    def expected(kind: str, units: int, *inputs: Mapping[str, Any]) -> float | None:
        """Return the seconds of so many units by the first inputs that are known; 0 for none, None if all are unknown."""
        known = [each for one in inputs if (each := history.expected(kind, one)) is not None]
        return 0.0 if not units else units * known[0] if known else None

    train_s = expected("train", to_train, work.training)
    trial = train_s is None
    epochs = sum(
        one.epochs(task.recipe) * (unlearnings + Probing(references, one).missing(models))
        for one in probes
        if not one.refuses(task)
    )
    limit = _limit(config, task, history.expected("retraining", work.retraining))
    measured = config.time_limit_s is not None or limit is not None
    sizes = _Sizes.of(references, network)
    keeps = config.keep_weights or bool(probes)
    return Plan(
        config=config,
        task=task,
        models=models,
        unlearnings=unlearnings,
        to_train=to_train,
        train_s=estimated_training_s(references, to_train) if train_s is None else train_s,
        measure_s=0.0 if measured else history.expected("measure", work.retraining),
        unlearn_s=expected("unlearn", unlearnings, work.unlearning_with, work.unlearning),
        probe_s=_probe_s(epochs, references, history.expected("train", work.training)),
        score_s=expected("score", models, work.scoring),
        limit=limit,
        cache_mib=to_train * (sizes.outputs + sizes.weights) / MIB,
        run_mib=unlearnings * (sizes.outputs + (sizes.weights if keeps else 0)) / MIB,
        probes=tuple(one.name for one in probes),
        trial=trial,
        choice=choice,
        host_mib=(models * len(ROLES) + unlearnings) * sizes.outputs / MIB,
    )


def _probe_s(epochs: float, references: References, train_s: float | None) -> float:
    """Return the seconds of so many passes over the training set, from those of training a model, else from a trial step."""
    if not epochs:
        return 0.0
    if train_s is None:
        train_s = estimated_training_s(references, 1)
    return epochs / references.task.recipe.epochs * train_s


def _limit(config: RunConfig, task: Task, retrain_s: float | None) -> Limit | None:
    if config.time_limit_s is not None:
        return Limit(config.time_limit_s, clock=config.clock)
    if retrain_s is None:
        return None
    fraction = task.budget.fraction if config.budget_fraction is None else config.budget_fraction
    return Limit(fraction * retrain_s, "fraction", fraction, config.clock)


@dataclass(frozen=True)
class _Sizes:
    """Bytes of one model's outputs and weights."""

    outputs: int
    weights: int

    @classmethod
    def of(cls, references: References, network: Population) -> _Sizes:
        data, queries = references.data, len(references.queries.names)
        rows = sum(len(data.split(name)) for name in SPLITS) + queries * len(data.forget)
        weights = sum(array.nbytes for array in network.state(0).values())
        return cls(rows * len(data.class_names) * FLOAT_BYTES, weights)


def about(seconds: float | None) -> str:
    """Return an expected duration in words."""
    if seconds is None:
        return "time unknown"
    return "no time" if seconds == 0 else f"about {_time(seconds)}"


def _time(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 60 else duration(seconds)


def mib_text(mib: float) -> str:
    """Return an amount of memory, MiB or GiB."""
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{max(1, math.ceil(mib))} MiB"
