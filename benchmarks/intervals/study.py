"""Drawing models again and again, and counting how often intervals hold the mean over all draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.intervals.populations import SHIFTS, evidence
from benchmarks.populations import Kind
from harness.evaluation import Interval, Metric
from harness_evaluators import forgetting_quality, ks, lira, membership

METRICS = {
    lira: ("auc", "balanced_accuracy", "tpr_at_1_percent_fpr", "direction"),
    ks: ("mean_d", "wasserstein"),
    forgetting_quality: ("f_official", "f_exact", "mean_epsilon_official", "mean_epsilon_exact"),
    membership: ("simple_mia",),
}
Z95 = 1.959963984540054


@dataclass
class Draws:
    """Values of a metric over draws of models, and the ends of their intervals."""

    values: list[float] = field(default_factory=list)
    ends: list[tuple[float, float]] = field(default_factory=list)

    def add(self, value: float | None, interval: Interval | None) -> None:
        """Add one draw; without an interval it does not count."""
        if value is not None and interval is not None:
            self.values.append(value)
            self.ends.append((interval.low, interval.high))


@dataclass(frozen=True)
class Cell:
    """One metric on one kind of populations of one size.

    Attributes:
        metric: with its evaluator.
        kind: of populations.
        state: what is left in the unlearned models, see SHIFTS.
        n_models: of each population.
        draws: how many.
        mean: of the values.
        coverage: share of intervals that hold it.
        ratio: root mean square of the claimed standard deviations over that of the values.
        false_alarms: share of draws in which value and control differ by more than ``smallest_visible``; null only.
    """

    metric: str
    kind: str
    state: str
    n_models: int
    draws: int
    mean: float
    coverage: float
    ratio: float
    false_alarms: float | None


def study(kind: Kind, n_models: int, replications: int) -> Iterator[Cell]:
    """Return the cells of one kind and size: ``replications`` draws in each state; the control counts as the null too."""
    found: dict[tuple[str, str], Draws] = {}
    alarms: dict[str, list[bool]] = {}
    for draw in range(replications):
        for number, (state, shift) in enumerate(SHIFTS.items()):
            for name, metric in _metrics(kind, n_models, shift, len(SHIFTS) * draw + number):
                found.setdefault((name, state), Draws()).add(metric.value, metric.interval)
                found.setdefault((name, "null"), Draws()).add(metric.control, metric.control_interval)
                if (
                    state == "null"
                    and metric.value is not None
                    and metric.control is not None
                    and metric.smallest_visible
                ):
                    alarms.setdefault(name, []).append(abs(metric.value - metric.control) > metric.smallest_visible)
    for (name, state), draws in found.items():
        if len(draws.values) > 1:
            share = float(np.mean(alarms[name])) if state == "null" and name in alarms else None
            yield _cell(name, kind.name, state, n_models, draws, share)


def _metrics(kind: Kind, n_models: int, shift: float, seed: int) -> Sequence[tuple[str, Metric]]:
    run = evidence(kind, n_models, shift, seed)
    return [
        (f"{module.harness_evaluator().name}.{metric.name}", metric)
        for module, names in METRICS.items()
        for metric in module.evaluate(run).metrics
        if metric.name in names
    ]


def _cell(name: str, kind: str, state: str, n_models: int, draws: Draws, false_alarms: float | None) -> Cell:
    values, ends = np.array(draws.values), np.array(draws.ends)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    claimed = float(np.sqrt(np.mean((np.diff(ends, axis=1) / (2 * Z95)) ** 2)))
    covered = float(((ends[:, 0] <= mean) & (mean <= ends[:, 1])).mean())
    return Cell(name, kind, state, n_models, len(values), mean, covered, claimed / max(spread, 1e-12), false_alarms)
