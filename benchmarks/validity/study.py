"""The study of one task: all levels judged at every size, each size on as many disjoint blocks of models as there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.validity.findings import Summary, summarise
from benchmarks.validity.judging import readings
from benchmarks.validity.levels import LEVELS, remembered_rows
from benchmarks.validity.populations import Trained
from harness.plugins.discovery import LoadedEvaluator


@dataclass(frozen=True)
class Study:
    """What was found on one task.

    Attributes:
        task: its name.
        models: how many each population has.
        forget: examples in the forget set.
        remembered: how many of them each level was trained on.
        unit: what the shares are drawn by.
        summaries: by N, by metric.
        units: unit of each metric, for its numbers.
    """

    task: str
    models: int
    forget: int
    remembered: tuple[int, ...]
    unit: str
    summaries: Mapping[int, Mapping[str, Summary]]
    units: Mapping[str, str]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the numbers of models, ascending."""
        return tuple(self.summaries)

    def blocks(self, size: int) -> int:
        """Return the number of disjoint blocks of ``size`` models."""
        return self.models // size

    def metrics(self) -> list[str]:
        """Return all metrics that have a value at some size, in the evaluators' order."""
        return list(dict.fromkeys(name for size in reversed(self.sizes) for name in self.summaries[size]))


def study(trained: Trained, sizes: Sequence[int], evaluators: Sequence[LoadedEvaluator]) -> Study:
    """Judge the task; sizes of more models than were trained are left out."""
    models = trained.models
    summaries, units = {}, {}
    for size in sorted(size for size in sizes if size <= models):
        blocks = [slice(start, start + size) for start in range(0, models - size + 1, size)]
        found = [readings(trained, block, evaluators) for block in blocks]
        summaries[size] = summarise(found)
        units.update({name: metric.unit for name, metric in found[0][LEVELS[0].name].items()})
    forget, seed = trained.data.forget, trained.task.seed
    return Study(
        task=trained.task.name,
        models=models,
        forget=len(forget),
        remembered=tuple(len(remembered_rows(forget, level.remembered, seed)) for level in LEVELS),
        unit="examples" if forget.subjects is None else "subjects",
        summaries=summaries,
        units=units,
    )
