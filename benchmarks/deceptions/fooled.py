"""Which metrics are fooled by which deceptions.

A metric is *fooled* by a deception if its value cannot be told from what it is for freshly retrained models: it lies within
the range of 39 draws of those. Another such draw lies within that range with a probability of (39 - 1) / (39 + 1) = 95 %,
whatever the metric's distribution, so that the range is a prediction interval of 95 %. The examples are the same in all draws;
originals, retrained, control and submitted models are drawn anew. This is generous to a metric: its user would have to know
that range. A metric *cries wolf* at an honest submission if its value lies outside the range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.deceptions import published
from benchmarks.deceptions.catalogue import ALL, find
from benchmarks.deceptions.judging import evidence_of
from benchmarks.deceptions.model import Deception
from benchmarks.deceptions.study import stream, synthetic
from benchmarks.judging import evaluate, forgetting_metrics
from harness.evaluation import Evidence
from harness.plugins.discovery import LoadedEvaluator

DRAWS = 39
EXAMPLES = 0
"""Seed of the examples."""

TIE = 1e-9
"""Share of the range's ends within which a value counts as inside: rounding differs with the number of threads."""

Values = Mapping[str, float]


@dataclass(frozen=True)
class Matrix:
    """What each metric says of each submission.

    Attributes:
        models: N.
        ranges: lowest and highest value of each metric over draws of freshly retrained models.
        values: by submission, then by metric.
    """

    models: int
    ranges: Mapping[str, tuple[float, float]]
    values: Mapping[str, Values]

    def inside(self, metric: str, submission: str) -> bool | None:
        """Return whether a value is as for freshly retrained models; None where the metric has no value."""
        value = self.values[submission].get(metric)
        if value is None:
            return None
        low, high = self.ranges[metric]
        slack = TIE * max(abs(low), abs(high))
        return low - slack <= value <= high + slack

    def fooled(self, metric: str) -> list[str]:
        """Return the deceptions that fool a metric."""
        return [one.name for one in ALL if not one.honest and self.inside(metric, one.name)]

    def wolf(self, metric: str) -> list[str]:
        """Return the honest submissions that a metric distinguishes from retrained models."""
        return [one.name for one in ALL if one.honest and self.inside(metric, one.name) is False]

    def metrics(self) -> list[str]:
        """Return all metrics, the least often fooled first."""
        return sorted(self.ranges, key=lambda name: (len(self.fooled(name)), len(self.wolf(name)), name))


def matrix(
    models: int, evaluators: Sequence[LoadedEvaluator], done: Callable[[], None], deceptions: Sequence[Deception] = ALL
) -> Matrix:
    """Compute all metrics of all submissions, on synthetic models.

    Args:
        models: N.
        evaluators: evaluators with the metrics to examine.
        done: called after each submission.
        deceptions: which submissions.
    """
    null = [_values(find("retrained"), models, draw, evaluators, done) for draw in range(1, DRAWS + 1)]
    names = [name for name in null[0] if all(name in one for one in null)]
    ranges = {name: (min(one[name] for one in null), max(one[name] for one in null)) for name in names}
    values = {one.name: _values(one, models, 0, evaluators, done) for one in deceptions}
    return Matrix(models, ranges, values)


def _values(
    deception: Deception, models: int, draw: int, evaluators: Sequence[LoadedEvaluator], done: Callable[[], None]
) -> Values:
    world = synthetic(models, draw, EXAMPLES)
    evidence = evidence_of(deception.make(world, stream(deception, models, draw)), world)
    bundled = forgetting_metrics(evaluate(evaluators, evidence))
    done()
    shown = {published.BUNDLED.get(name, name): metric.value for name, metric in bundled.items()}
    return {**_plain(evidence), **{name: value for name, value in shown.items() if value is not None}}


def _plain(evidence: Evidence) -> Values:
    computed = {name: metric(evidence) for name, metric in published.METRICS.items()}
    return {name: value for name, value in computed.items() if math.isfinite(value)}
