"""Conversion of weights to logits, and of logits to the evidence for evaluators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.choices import FailedAs
from harness.core.outcomes import ModelOutcome
from harness.core.room import stacked
from harness.evaluation import SPLITS, Design, Evidence, Timings
from harness.references.populations import Population
from harness.references.queries import Pictures, answers, key, queries_in
from harness.runs.budget import Limit
from harness.tasks.task import TaskData
from harness.tasks.twins import forget_twins
from reference_models.networks.recipe import ModelSpec


def logits_of(
    spec: ModelSpec, weights: Mapping[str, NDArray[np.generic]], data: TaskData, device: str, queries: Pictures
) -> dict[str, NDArray[np.float32]]:
    """Return one model's logits, (n, C), float32, by split, and by :func:`harness.references.queries.key` for each query."""
    import torch

    from reference_models.training.prediction import stacked_logits

    state = {name: torch.from_numpy(np.array(array))[None] for name, array in weights.items()}
    logits = {name: stacked_logits(spec, state, data.split(name).inputs, device=device)[0] for name in SPLITS}
    return logits | {name: found[0] for name, found in answers(spec, state, queries, device).items()}


def forget_rows(logits: Mapping[str, NDArray[np.float32]], rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """Return one model's logits with some examples of the forget set alone, on the split and under every query."""
    own = {"forget", *map(key, queries_in(logits))}
    return {name: array[rows] if name in own else array for name, array in logits.items()}


@dataclass(frozen=True)
class Stored(Mapping[int, Mapping[str, NDArray[np.float32]]]):
    """Logits of finished models by index, each read from its file when it is asked for, and not kept.

    Attributes:
        indices: of finished models.
        read: returns one model's logits by split and query.
    """

    indices: Sequence[int]
    read: Callable[[int], Mapping[str, NDArray[np.float32]]]

    def __getitem__(self, index: int) -> Mapping[str, NDArray[np.float32]]:
        if index not in self.indices:
            raise KeyError(index)
        return self.read(index)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Set torch's thread count within a ``with`` block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def make_evidence(
    data: TaskData,
    populations: Mapping[str, Population],
    outcomes: Sequence[ModelOutcome],
    unlearned: Mapping[int, Mapping[str, NDArray[np.float32]]],
    limit: Limit,
    seed: int,
    design: Design = "per-original",
    failed_as: FailedAs = "missing",
) -> Evidence:
    """Return the evidence for evaluators.

    Failed models are excluded, so that they never become a score; or each counts as its original, so that failing cannot improve
    a score. Times and memory of failed models are NaN.

    Args:
        data: data of the task.
        populations: the reference populations.
        outcomes: outcomes of all models.
        unlearned: index of a finished model -> its logits by split and query.
        limit: the limit in force.
        seed: seed of the evaluators' random draws.
        design: which originals were unlearned.
        failed_as: how failed models count; if none finished, there is nothing to score.
    """
    substituted = failed_as == "noop" and bool(unlearned)
    counted = [outcome for outcome in outcomes if outcome.status.finished or substituted]
    rows = (unlearned.get(one.index) or _of_original(populations["original"], one.original) for one in counted)
    found = stacked(rows, len(counted))
    logits: dict[str, dict[str, NDArray[np.float32]]] = {
        role: dict(population.logits) for role, population in populations.items()
    }
    logits["unlearned"] = {
        name: found[name] if counted else np.empty((0, len(data.split(name)), data.n_classes), dtype=np.float32)
        for name in SPLITS
    }
    return Evidence(
        n_classes=data.n_classes,
        ids={name: data.split(name).ids for name in SPLITS},
        labels={name: data.split(name).labels for name in SPLITS},
        logits=logits,
        unlearned_from=np.array([outcome.original for outcome in counted], dtype=np.int64),
        timings=_timings(counted, limit),
        seed=seed,
        class_names=data.class_names,
        design=design,
        true_labels={name: truth for name in SPLITS if (truth := data.split(name).true_labels) is not None},
        subjects={name: subjects for name in SPLITS if (subjects := data.split(name).subjects) is not None},
        queries=_queries(populations, queries_in(found)),
        twins=forget_twins(data),
        never_trained=_never_trained(data),
        altered=0 if data.altered is None else len(data.altered),
    )


def _never_trained(data: TaskData) -> NDArray[np.bool_]:
    if data.never_trained is None:
        return np.zeros(0, dtype=np.bool_)
    return np.isin(np.arange(len(data.validation)), data.never_trained)


def _of_original(originals: Population, index: int) -> dict[str, NDArray[np.float32]]:
    """Return an original's logits by split and query."""
    answered = {key(name): logits[index] for name, logits in originals.queries.items()}
    return {name: logits[index] for name, logits in originals.logits.items()} | answered


def _queries(
    populations: Mapping[str, Population], unlearned: Mapping[str, NDArray[np.float32]]
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return query -> population -> logits, for the queries that every model has."""
    asked = [*(population.queries for population in populations.values()), unlearned]
    return {
        name: {role: population.queries[name] for role, population in populations.items()}
        | {"unlearned": unlearned[name]}
        for name in asked[0]
        if all(name in queries for queries in asked)
    }


def _timings(counted: Sequence[ModelOutcome], limit: Limit) -> Timings:
    def column(name: str) -> NDArray[np.float64]:
        values = [getattr(outcome, name) if outcome.status.finished else None for outcome in counted]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    return Timings(
        unlearn_s=column("charged_s"),
        # With the clock "steps", retrain_s counts examples; elapsed_s has the wall-clock seconds.
        retrain_s=np.array(limit.elapsed_s if limit.clock == "steps" else limit.retrain_s, dtype=np.float64),
        limit_s=limit.limit_s,
        peak_rss_mib=column("peak_rss_mib"),
        peak_gpu_mib=column("peak_gpu_mib"),
        clock=limit.clock,
        unlearn_examples=column("examples"),
        retrain_examples=np.array(limit.examples, dtype=np.float64),
    )
