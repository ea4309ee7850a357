"""The study of one task: how well each metric tells models with the knowledge from models without it.

Blocks of N models are drawn at random from each population, and judged as a run would be. The *separation* of a metric is the
probability that a block with the knowledge is judged worse than a block without it, ties counted as one half: the area under the
ROC curve, 1 for a faithful metric, 1/2 for one that says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from benchmarks.answers import Answers
from benchmarks.faithfulness.changes import AS_IS, CHANGES, changed
from benchmarks.judging import evaluate, evidence_of, forgetting_metrics
from benchmarks.populations import World
from benchmarks.validity.findings import badness
from benchmarks.validity.levels import LEVELS, RETRAIN
from benchmarks.validity.populations import Trained
from harness.evaluation import SPLITS
from harness.plugins.discovery import LoadedEvaluator
from harness.references.identity import ROLES

Values = NDArray[np.float64]
TENTH, HALF = LEVELS[1], LEVELS[2]


@dataclass(frozen=True)
class Measured:
    """What was found on one task.

    Attributes:
        task: its name.
        size: models in a block.
        blocks: number of blocks.
        separation: metric -> case ("10 %", or "50 %" with a change) -> separation from models without the knowledge, which have
            had the same change.
        agreement: rank correlation (Kendall's tau-b) of each pair of metrics over all blocks of all levels, in the order of the
            metrics.
    """

    task: str
    size: int
    blocks: int
    separation: Mapping[str, Mapping[str, float]]
    agreement: NDArray[np.float64]

    @property
    def metrics(self) -> list[str]:
        """Return the metrics with a value in every case."""
        return list(self.separation)

    def worst(self, metric: str) -> float:
        """Return the smallest separation over all cases."""
        return min(self.separation[metric].values())


def measure(trained: Trained, size: int, blocks: int, evaluators: Sequence[LoadedEvaluator]) -> Measured:
    """Judge random blocks of the levels 0 %, 10 % and 50 %, the last also after each change that those of 0 % have had too."""
    task, data, models = trained.task, trained.data, trained.models
    after = {level.name: changed(task, data, level, models, trained.levels[level.name]) for level in (RETRAIN, HALF)}
    cases: dict[str, tuple[Answers, Answers]] = {TENTH.name: (trained.levels[TENTH.name], after[RETRAIN.name][AS_IS])}
    cases |= {f"{HALF.name}, {name}": (after[HALF.name][name], after[RETRAIN.name][name]) for name in CHANGES}
    draws = [_rows(models, size, number) for number in range(blocks)]
    judged: dict[int, list[dict[str, float]]] = {}

    def judge(answers: Answers) -> list[dict[str, float]]:
        if id(answers) not in judged:  # models without the knowledge and without a change occur in two cases
            judged[id(answers)] = [_badness(trained, answers, rows, evaluators) for rows in draws]
        return judged[id(answers)]

    found = {name: (judge(known), judge(unknown)) for name, (known, unknown) in cases.items()}
    metrics = [name for name in found[TENTH.name][0][0] if _everywhere(name, found)]
    found_by = {
        name: {case: separation(*([one[name] for one in side] for side in sides)) for case, sides in found.items()}
        for name in metrics
    }
    rows = [one for sides in found.values() for side in sides for one in side]
    columns = np.array([[one[name] for one in rows] for name in metrics])
    return Measured(task.name, size, blocks, found_by, _agreement(columns))


def _rows(models: int, size: int, number: int) -> dict[str, NDArray[np.int64]]:
    """Return which models of each population are in a block: drawn independently for each."""
    rng = np.random.default_rng([models, size, number])
    return {name: np.sort(rng.permutation(models)[:size]) for name in (*ROLES, "judged")}


def _badness(
    trained: Trained, answers: Answers, rows: Mapping[str, NDArray[np.int64]], evaluators: Sequence[LoadedEvaluator]
) -> dict[str, float]:
    """Return each metric's distance from perfect on one block."""
    data, judged = trained.data, answers.take(rows["judged"])
    world = World(
        n_classes=data.n_classes,
        labels={name: data.split(name).labels for name in SPLITS},
        ids={name: data.split(name).ids for name in SPLITS},
        **{role: trained.references[role].take(rows[role]) for role in ROLES},
        fresh=judged,
        memory=np.empty(0),
        spread=np.empty(0),
    )
    records = evaluate(evaluators, evidence_of(judged, world))
    return {name: badness(metric) for name, metric in forgetting_metrics(records).items()}


def _everywhere(name: str, found: Mapping[str, tuple[list[dict[str, float]], list[dict[str, float]]]]) -> bool:
    return all(name in one for sides in found.values() for side in sides for one in side)


def separation(known: Sequence[float], unknown: Sequence[float]) -> float:
    """Return the share of pairs in which the block with the knowledge is judged worse, ties counted as one half."""
    difference = np.subtract.outer(np.asarray(known), np.asarray(unknown))
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


def _agreement(columns: Values) -> Values:
    """Return Kendall's tau-b of each pair of rows; 0 where one of them is constant."""
    taus = np.eye(len(columns))
    for one in range(len(columns)):
        for other in range(one):
            tau = kendalltau(columns[one], columns[other]).statistic
            taus[one, other] = taus[other, one] = 0.0 if np.isnan(tau) else tau
    return taus


def recommended(found: Sequence[Measured], enough: float = 0.95) -> list[str]:
    """Return few metrics that together separate in every case of every task in which any metric does.

    Greedy set cover: each step takes the metric that separates (at least ``enough``) in the most cases left, and among equals the
    one with the largest smallest separation.
    """
    shared = [name for name in found[0].metrics if all(name in one.separation for one in found)]
    passed = {
        name: {(one.task, case) for one in found for case, value in one.separation[name].items() if value >= enough}
        for name in shared
    }
    left = set().union(*passed.values()) if passed else set()
    chosen: list[str] = []
    while left:
        best = max(shared, key=lambda name: (len(passed[name] & left), min(one.worst(name) for one in found)))
        chosen.append(best)
        left -= passed[best]
    return chosen
