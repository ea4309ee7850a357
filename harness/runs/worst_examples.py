"""Selection of the forgotten examples that a report shows individually, with the models' confidences on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, Population
from harness.evaluation import phi as phi_of
from harness.report.examples import DistanceRecord, ExampleRecord, ExamplesRecord, PhiRecord
from harness.report.results import EvaluatorRecord
from harness.runs.forgotten_groups import Single, groups
from harness.runs.pictures import drawable, png_base64
from harness.tasks.task import Task, TaskData

Values = NDArray[np.float64]

WORST, MEDIAN, BEST = 24, 4, 4
MAX_MODELS = 64  # per population; more would enlarge the report without making the plots clearer
PUBLIC = frozenset({"faces", "fashion-mnist", "cifar10"})
"""Datasets whose pictures may be included in a report: synthetic, or published."""


@dataclass(frozen=True)
class Pictures:
    """Pictures of the forget set, as far as a report may show them.

    Attributes:
        state: "shown", "private" (they may not be shown, or there are none) or "size" (too large).
        images: shape (n, channels, height, width), uint8; None unless they are shown.
    """

    state: Literal["shown", "private", "size"] = "private"
    images: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, task: Task, data: TaskData) -> Pictures:
        """Return a task's pictures; its dataset determines whether they may be shown."""
        dataset: Any = task.definition.get("dataset")
        if not isinstance(dataset, dict) or dataset.get("kind") not in PUBLIC:
            return cls()
        inputs = data.forget.inputs
        return cls("shown", np.asarray(inputs[:])) if drawable(inputs.shape[1:]) else cls("size")


def examples_record(
    evidence: Evidence,
    evaluators: Sequence[EvaluatorRecord] = (),
    pictures: Pictures = Pictures(),
) -> ExamplesRecord | None:
    """Choose the forgotten examples to show; return None if a population is empty or not finite.

    Only supplied outputs may hold values that are not finite, and evaluators warn of them.

    Args:
        evidence: logits of all populations.
        evaluators: records; that of ``forgetting`` names individually significant examples.
        pictures: of the forget set.
    """
    if not all(len(evidence.logits[name]["forget"]) for name in ("unlearned", "retrained", "control", "original")):
        return None
    with np.errstate(invalid="ignore"):
        phi = _phi(evidence)
    if not all(np.isfinite(values).all() for values in phi.values()):
        return None
    distances = {name: ks_distances(phi[name], phi["retrained"]) for name in ("unlearned", "control", "original")}
    single = Single.of(evaluators, len(evidence.labels["forget"]))
    order = _worst_first(distances["unlearned"], phi, single)
    if not len(order):
        return None
    shown = [_example(int(order[at]), at, evidence, phi, distances, single, pictures) for at in chosen(len(order))]
    return ExamplesRecord(of=len(order), shown=tuple(shown), groups=groups(evidence, single), pictures=pictures.state)


def chosen(count: int) -> list[int]:
    """Return the sorted, distinct ranks to show among ``count`` examples: the worst, the median and the best ones."""
    middle = (count - MEDIAN) // 2
    parts = (range(WORST), range(middle, middle + MEDIAN), range(count - BEST, count))
    return sorted({place for part in parts for place in part if 0 <= place < count})


def ks_distances(left: Values, right: Values) -> Values:
    """Return the two-sample Kolmogorov-Smirnov distance of each column.

    Args:
        left: shape (m, n).
        right: shape (k, n).

    Returns:
        Distances in [0, 1], shape (n,). Tied values count as one step.
    """
    pooled = np.concatenate([left, right])
    order = np.argsort(pooled, axis=0, kind="stable")
    values = np.take_along_axis(pooled, order, axis=0)
    gaps = np.abs(np.cumsum(np.where(order < len(left), 1 / len(left), -1 / len(right)), axis=0))
    last = np.ones(values.shape, dtype=bool)
    last[:-1] = values[1:] != values[:-1]
    return np.asarray(np.clip((gaps * last).max(axis=0, initial=0.0), 0.0, 1.0))


def _phi(evidence: Evidence) -> dict[str, Values]:
    """Return population -> confidences on the forget set; with repeats, only the first model of each original."""
    rows: dict[Population, NDArray[np.int64]] = {}
    if evidence.design == "per-original":
        rows["unlearned"] = np.sort(np.unique(evidence.unlearned_from, return_index=True)[1])
    names: tuple[Population, ...] = ("unlearned", "retrained", "control", "original")
    labels = evidence.labels["forget"]
    logits = {name: evidence.logits[name]["forget"] for name in names}
    return {name: phi_of(found[rows.get(name, np.arange(len(found)))], labels) for name, found in logits.items()}


def _worst_first(distances: Values, phi: Mapping[str, Values], single: Single | None) -> NDArray[np.int64]:
    """Return the examples' order: named ones first, then by KS distance, ties (many are at 1) by difference of means."""
    named = np.zeros(len(distances), dtype=bool) if single is None else single.named
    apart = np.abs(phi["unlearned"].mean(axis=0) - phi["retrained"].mean(axis=0))
    return np.lexsort((-apart, -np.round(distances, 9), ~named))


def _example(
    index: int,
    place: int,
    evidence: Evidence,
    phi: Mapping[str, Values],
    distances: Mapping[str, Values],
    single: Single | None,
    pictures: Pictures,
) -> ExampleRecord:
    true_labels = evidence.true_labels.get("forget")
    return ExampleRecord(
        id=str(evidence.ids["forget"][index]),
        label=int(evidence.labels["forget"][index]),
        true_label=None if true_labels is None else int(true_labels[index]),
        rank=place + 1,
        distance=DistanceRecord(**{name: round(float(values[index]), 4) for name, values in distances.items()}),
        phi=PhiRecord(**{name: _short(phi[name][:MAX_MODELS, index]) for name in PhiRecord.model_fields}),
        named="" if single is None else single.word(index),
        picture=None if pictures.images is None else png_base64(pictures.images[index]),
    )


def _short(values: Values) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in values)
