"""How often perfect unlearning is called different by the evaluators of :mod:`benchmarks.intervals.perfect`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from benchmarks.intervals.perfect import EVALUATORS
from benchmarks.intervals.study import Draws
from benchmarks.pages import markdown
from harness.evaluation import Metric

METRICS = {
    "strata": (
        "auc_most_memorised",
        "tpr_at_1_percent_fpr_most_memorised",
        "mean_d_most_memorised",
        "shift_most_memorised",
    ),
    "collateral": ("auc", "change", "direction", "exposure"),
    "joint": ("p", "relative_p", "distance"),
    "class_forgetting": ("neighbour_auc", "neighbour_share", "outsider_auc", "head_bias"),
    "interclass_confusion": ("forget_wrong", "forget_true", "test_confusion"),
    "representation": ("feature_memory", "refit_phi", "cka_excess", "knn_excess"),
    "durability": ("recovery_p", "memory_regained"),
}
P_VALUES = ("joint.p", "joint.relative_p", "durability.recovery_p")
LEVEL = 0.05


@dataclass(frozen=True)
class Alarms:
    """One metric at one number of models, under perfect unlearning.

    Attributes:
        metric: with its evaluator.
        n_models: of each population.
        draws: runs in which the metric could call unlearning different.
        called_different: share of these in which it did: a p-value of at most 0.05, else a difference of value and control above
            ``smallest_visible``.
        low, high: its own 95 % interval (Clopper and Pearson 1934).
        intervals: how many, of values and controls.
        missed: share of these that do not hold the mean over draws; None without intervals.
    """

    metric: str
    n_models: int
    draws: int
    called_different: float
    low: float
    high: float
    intervals: int
    missed: float | None


def alarms(n_models: int, draws: int) -> Iterator[Alarms]:
    """Return all metrics at one number of models, from so many draws of all models; without any claim there is no row."""
    for evaluator, make in EVALUATORS.items():
        name = evaluator.harness_evaluator().name
        found: dict[str, list[Metric]] = {f"{name}.{metric}": [] for metric in METRICS[name]}
        for seed in range(draws):
            for metric in evaluator.evaluate(make(n_models, seed)).metrics:
                if metric.name in METRICS[name]:
                    found[f"{name}.{metric.name}"].append(metric)
        for full_name, metrics in found.items():
            called = [one for one in (different(full_name, metric) for metric in metrics) if one is not None]
            if called:
                yield _row(full_name, n_models, called, metrics)


def different(name: str, metric: Metric) -> bool | None:
    """Return whether a metric calls perfect unlearning different; None where it has no means to."""
    if metric.value is None:
        return None
    if name in P_VALUES:
        return metric.value <= LEVEL
    if metric.control is None or metric.smallest_visible is None:
        return None
    return abs(metric.value - metric.control) > metric.smallest_visible


def _row(name: str, n_models: int, called: Sequence[bool], metrics: Sequence[Metric]) -> Alarms:
    sides = Draws()
    for metric in metrics:
        sides.add(metric.value, metric.interval)
        sides.add(metric.control, metric.control_interval)
    missed = None
    if sides.values:
        ends, mean = np.array(sides.ends), math.fsum(sides.values) / len(sides.values)
        missed = 1 - float(((ends[:, 0] <= mean) & (mean <= ends[:, 1])).mean())
    own = binomtest(sum(called), len(called)).proportion_ci(0.95)
    share = sum(called) / len(called)
    return Alarms(name, n_models, len(called), share, float(own.low), float(own.high), len(sides.values), missed)


def text(rows: Sequence[Alarms]) -> str:
    """Return the table of the page: by metric and number of models, how often called different and how often missed."""
    sizes = sorted({row.n_models for row in rows})
    by_place = {(row.metric, row.n_models): row for row in rows}
    lines = [
        [f"`{metric}`", *(_cell(by_place.get((metric, size))) for size in sizes)]
        for metric in (f"{name}.{metric}" for name, metrics in METRICS.items() for metric in metrics)
        if any((metric, size) in by_place for size in sizes)
    ]
    return markdown(["metric", *(f"N = {size}" for size in sizes)], lines)


def _cell(row: Alarms | None) -> str:
    if row is None:
        return "–"
    beyond = " (!)" if row.low > LEVEL else ""
    missed = "–" if row.missed is None else f"{100 * row.missed:.0f}"
    return f"{100 * row.called_different:.0f}{beyond}, {missed}"
