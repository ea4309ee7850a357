"""Which forgotten examples a report shows one by one, and what the models say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, Population
from harness.evaluation import phi as phi_of
from harness.forgotten_groups import Single, groups
from harness.pictures import drawable, png_base64
from harness.report.examples import DistanceRecord, ExampleRecord, ExamplesRecord, PhiRecord
from harness.report.results import EvaluatorRecord
from harness.tasks.model import Task, TaskData

Values = NDArray[np.float64]

WORST, MEDIAN, BEST = 24, 4, 4
MAX_MODELS = 64  # per population; more would make the report large and the pictures no clearer
PUBLIC = frozenset({"faces", "fashion-mnist", "cifar10"})
"""Datasets whose pictures may stand in a report that is handed on: drawn, or published by others."""


def examples_record(
    task: Task, data: TaskData, evidence: Evidence, evaluators: Sequence[EvaluatorRecord] = ()
) -> ExamplesRecord | None:
    """Choose the forgotten examples to show; None where there is nothing to compare.

    Args:
        task: says whether pictures may be shown.
        data: the examples.
        evidence: what models say of them.
        evaluators: records; ``forgetting`` names examples that differ by themselves.
    """
    if not all(len(evidence.logits[name]["forget"]) for name in ("unlearned", "retrained", "control", "original")):
        return None
    phi = _phi(evidence)
    distances = {name: ks_distances(phi[name], phi["retrained"]) for name in ("unlearned", "control", "original")}
    single = Single.of(evaluators, len(data.forget))
    order = _worst_first(distances["unlearned"], phi, single)
    if not len(order):
        return None
    state = _pictures(task, data)
    shown = [_example(int(order[at]), at, data, phi, distances, single, state == "shown") for at in chosen(len(order))]
    return ExamplesRecord(of=len(order), shown=tuple(shown), groups=groups(data, single), pictures=state)


def chosen(count: int) -> list[int]:
    """Places among ``count`` sorted examples that are shown, in order, none twice."""
    middle = (count - MEDIAN) // 2
    parts = (range(WORST), range(middle, middle + MEDIAN), range(count - BEST, count))
    return sorted({place for part in parts for place in part if 0 <= place < count})


def ks_distances(left: Values, right: Values) -> Values:
    """Largest difference of the empirical distribution functions, column by column.

    Args:
        left: shape (m, n).
        right: shape (k, n).

    Returns:
        shape (n,), in [0, 1]; equal values are stepped over at once.
    """
    pooled = np.concatenate([left, right])
    order = np.argsort(pooled, axis=0, kind="stable")
    values = np.take_along_axis(pooled, order, axis=0)
    gaps = np.abs(np.cumsum(np.where(order < len(left), 1 / len(left), -1 / len(right)), axis=0))
    last = np.ones(values.shape, dtype=bool)
    last[:-1] = values[1:] != values[:-1]
    return np.asarray(np.clip((gaps * last).max(axis=0, initial=0.0), 0.0, 1.0))


def _phi(evidence: Evidence) -> dict[str, Values]:
    """Confidences on the forget set by population; of each original that was unlearned repeatedly the first alone."""
    rows: dict[Population, NDArray[np.int64]] = {}
    if evidence.design == "per-original":
        rows["unlearned"] = np.sort(np.unique(evidence.unlearned_from, return_index=True)[1])
    names: tuple[Population, ...] = ("unlearned", "retrained", "control", "original")
    labels = evidence.labels["forget"]
    logits = {name: evidence.logits[name]["forget"] for name in names}
    return {name: phi_of(found[rows.get(name, np.arange(len(found)))], labels) for name, found in logits.items()}


def _worst_first(distances: Values, phi: Mapping[str, Values], single: Single | None) -> NDArray[np.int64]:
    """Sort examples: named ones first, then by distance, ties (many are at 1) by the difference of means."""
    named = np.zeros(len(distances), dtype=bool) if single is None else single.named
    apart = np.abs(phi["unlearned"].mean(axis=0) - phi["retrained"].mean(axis=0))
    return np.lexsort((-apart, -np.round(distances, 9), ~named))


def _pictures(task: Task, data: TaskData) -> Literal["shown", "private", "size"]:
    dataset: Any = task.definition.get("dataset")
    if not isinstance(dataset, dict) or dataset.get("kind") not in PUBLIC:
        return "private"
    return "shown" if drawable(data.forget.images.shape[1:]) else "size"


def _example(
    index: int,
    place: int,
    data: TaskData,
    phi: Mapping[str, Values],
    distances: Mapping[str, Values],
    single: Single | None,
    picture: bool,
) -> ExampleRecord:
    forget = data.forget
    return ExampleRecord(
        id=str(forget.ids[index]),
        label=int(forget.labels[index]),
        true_label=None if forget.true_labels is None else int(forget.true_labels[index]),
        rank=place + 1,
        distance=DistanceRecord(**{name: round(float(values[index]), 4) for name, values in distances.items()}),
        phi=PhiRecord(**{name: _short(phi[name][:MAX_MODELS, index]) for name in PhiRecord.model_fields}),
        named="" if single is None else single.word(index),
        picture=png_base64(forget.images[index]) if picture else None,
    )


def _short(values: Values) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in values)
