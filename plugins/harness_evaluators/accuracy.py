"""``accuracy``: accuracy per split, with the gap to retrained models and the originals' accuracy.

Source of ``tow``: Zhao et al., "What makes unlearning hard and what to do about it" (2024), tug-of-war.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import SPLITS, EvaluatorInfo, Metric, Population, Result, SplitName, hookimpl
from harness_evaluators.common import bootstrap, control_and_noop, finite
from harness_evaluators.common.bootstrap import Linear, Resamples, Sampled
from harness_evaluators.common.control_and_noop import Description, Rows
from harness_evaluators.common.evidence_analysis import Analysis, Models, Panel

Values = NDArray[np.float64]
Combine = Callable[[Values], Values]

HEADLINES: tuple[SplitName, ...] = ("retain", "forget", "test")
"""Splits in the terminal summary, over which tug-of-war and the average gap are computed as well."""

DAMAGED: tuple[SplitName, ...] = ("retain", "test")
"""Splits on which requests for data that was never trained on do damage."""

_UNJUDGED = "Not computed: there are no {row} models."

TOW = Description(
    "tow",
    "higher",
    "Tug-of-war score: the product over forget, retain and test of 1 less the absolute gap in accuracy to retrained "
    "models; 1 is ideal.",
    bounds=(0.0, 1.0),
)
AVERAGE_GAP = Description(
    "average_gap",
    "lower",
    "Mean over forget, retain and test of the absolute gap in accuracy to retrained models.",
    bounds=(0.0, 1.0),
)


def of_split(split: SplitName) -> Description:
    """Return the description of the accuracy on a split."""
    return Description(
        split,
        "closer_to_reference",
        f"Share of the {split} set classified correctly: mean over models; compare it with retrained models.",
        unit="share",
        bounds=(0.0, 1.0),
        headline=split in HEADLINES,
        distance=np.abs,
    )


NEVER_TRAINED = Description(
    "never_trained",
    "closer_to_reference",
    "Share of the examples classified correctly that the method was asked to forget although no model was trained on them. "
    "There is nothing to forget: below both the control and the no-op, the request has done damage.",
    unit="share",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
NEVER_TRAINED_GAP = Description(
    "never_trained_gap",
    "closer_to_reference",
    "Accuracy on the requested examples that were never trained on less that of retrained models; 0 is ideal.",
    unit="share",
    bounds=(-1.0, 1.0),
    distance=np.abs,
)


def damage_of(split: SplitName) -> Description:
    """Return the description of the damage that requests for data that was never trained on do to a split."""
    return Description(
        f"damage_{split}",
        "closer_to_reference",
        f"Accuracy lost on the {split} set against retrained models, by requested example that was never trained on; 0 is ideal. "
        "What forgetting the true forget set costs is included: compare with the task without such requests.",
        unit="percentage points",
        distance=np.abs,
    )


def gap_of_split(split: SplitName) -> Description:
    """Return the description of the gap to retrained models on a split."""
    return Description(
        f"{split}_gap",
        "closer_to_reference",
        f"Accuracy on the {split} set less that of retrained models; 0 is ideal.",
        unit="share",
        bounds=(-1.0, 1.0),
        distance=np.abs,
    )


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="accuracy",
        version="2",
        summary="Accuracy per split, its gap to retrained models, and the tug-of-war score",
        evaluate=evaluate,
        source="Zhao et al. 2024 (arXiv 2406.01257) for the tug-of-war score",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Compute accuracies of all splits, gaps to retrained models, and their summaries."""
    models = analysis.models
    resamples = bootstrap.resamples(analysis.evidence, models.sizes())
    panels = {split: models.panel(split, _right, minimum=1) for split in SPLITS if models.has(split)}
    gaps = {split: _gaps(panel, resamples) for split, panel in panels.items()}
    metrics = [_accuracy(of_split(split), panel, gaps[split], resamples) for split, panel in panels.items()]
    metrics += [_gap(gap_of_split(split), rows) for split, rows in gaps.items()]
    metrics += _on_never_trained(models, resamples)
    metrics += _damage(models, panels, resamples)
    metrics += [_summary(about, combine, gaps) for about, combine in ((TOW, _tug_of_war), (AVERAGE_GAP, _mean_gap))]
    positions = control_and_noop.position_intervals({gap_of_split(split): rows for split, rows in gaps.items()})
    return Result(tuple(metrics), _arrays(models) | positions, _warnings(models))


def _on_never_trained(models: Models, resamples: Resamples) -> list[Metric]:
    """Return the accuracy on examples that were to be forgotten and never trained on, and its gap; empty if there are none."""
    chosen = models.evidence.never_trained
    if not chosen.any() or not models.has("validation"):
        return []

    def right(analysis: Analysis, population: Population, split: SplitName) -> Values:
        return np.asarray(analysis.hits(population, split)[:, chosen].mean(axis=1))

    panel = models.panel("validation", right, minimum=1)
    gaps = _gaps(panel, resamples)
    return [
        _accuracy(NEVER_TRAINED, panel, gaps, resamples),
        _gap(NEVER_TRAINED_GAP, gaps),
    ]


def _damage(models: Models, panels: Mapping[SplitName, Panel], resamples: Resamples) -> list[Metric]:
    """Return the accuracy lost on retain and test by requested example that was never trained on; empty if there are none."""
    requested = int(models.evidence.never_trained.sum()) + models.evidence.altered
    if not requested:
        return []
    return [
        _gap(damage_of(split), _gaps(panels[split], resamples, factor=-100 / requested))
        for split in DAMAGED
        if split in panels
    ]


def _right(analysis: Analysis, population: Population, split: SplitName) -> Values:
    """Return the accuracy of every model, shape (N,)."""
    return np.asarray(analysis.hits(population, split).mean(axis=1))


def _rows(panel: Panel) -> dict[str, Values]:
    """Return the accuracies of each row of the report that has models."""
    rows = {"unlearned": panel.unlearned, "control": panel.control, "noop": panel.noop}
    return {row: right for row, right in rows.items() if right is not None}


def _accuracy(about: Description, panel: Panel, gaps: Rows, resamples: Resamples) -> Metric:
    """Return the accuracy with the position of the gap, because the ideal is the retrained models' accuracy."""
    rows = Rows(**{row: resamples.mean(row, right) for row, right in _rows(panel).items()})
    if rows.unlearned is None:
        return control_and_noop.missing(about, _UNJUDGED.format(row="unlearned"))
    metric = control_and_noop.metric(about, rows, scale=gaps)
    note = "" if panel.retrained is None else f"Retrained models: {100 * panel.retrained.mean():.1f} %."
    return replace(metric, note=note)


def _gaps(panel: Panel, resamples: Resamples, factor: float = 1.0) -> Rows:
    """Return accuracy less that of retrained models, times ``factor``, for each row; empty without retrained models."""
    if panel.retrained is None:
        return Rows()
    centre = float(panel.retrained.mean())
    linear = {
        row: Linear(factor * (float(right.mean()) - centre), factor * right, -factor * panel.retrained)
        for row, right in _rows(panel).items()
    }
    return control_and_noop.rows_of(linear, resamples)


def _gap(about: Description, rows: Rows) -> Metric:
    if rows.unlearned is None:
        return control_and_noop.missing(about, _UNJUDGED.format(row="unlearned or no retrained"))
    return control_and_noop.metric(about, rows)


def _summary(about: Description, combine: Combine, gaps: Mapping[SplitName, Rows]) -> Metric:
    """Combine the gaps on forget, retain and test, value by value and resample by resample."""
    if not all(split in gaps for split in HEADLINES):
        return control_and_noop.missing(about, "Not computed: it needs the forget, retain and test sets.")
    parts = [gaps[split] for split in HEADLINES]
    rows = Rows(
        _combined(combine, [part.unlearned for part in parts]),
        _combined(combine, [part.control for part in parts]),
        _combined(combine, [part.noop for part in parts]),
    )
    if rows.unlearned is None:
        return control_and_noop.missing(about, _UNJUDGED.format(row="unlearned or no retrained"))
    return control_and_noop.metric(about, rows)


def _combined(combine: Combine, gaps: Sequence[Sampled | None]) -> Sampled | None:
    known = [gap for gap in gaps if gap is not None]
    if len(known) < len(gaps):
        return None
    value = float(combine(np.array([[gap.value] for gap in known]))[0])
    replicates = [gap.replicates for gap in known if gap.replicates is not None]
    return Sampled(value, combine(np.array(replicates)) if len(replicates) == len(known) else None)


def _tug_of_war(gaps: Values) -> Values:
    """Return the scores, shape (n,), of gaps of shape (3, n)."""
    return np.asarray(np.prod(1 - np.abs(gaps), axis=0))


def _mean_gap(gaps: Values) -> Values:
    """Return the mean absolute gap, shape (n,), of gaps of shape (3, n)."""
    return np.asarray(np.abs(gaps).mean(axis=0))


def _arrays(models: Models) -> dict[str, Values]:
    """Return accuracy per model and split, and per class (mean over models; classes of the split in ``<split>_classes``)."""
    arrays: dict[str, Values] = {}
    for split in SPLITS:
        if models.has(split):
            arrays |= _per_class(models, split) | _per_model(models, split)
    return arrays


def _per_model(models: Models, split: SplitName) -> dict[str, Values]:
    found = {name: _right(models.analysis, name, split)[order] for name, order in models.order.items() if len(order)}
    return {f"{split}_per_model_{name}": right for name, right in found.items()}


def _per_class(models: Models, split: SplitName) -> dict[str, Values]:
    labels = models.evidence.labels[split]
    classes = np.unique(labels)
    arrays = {f"{split}_classes": classes.astype(np.float64)}
    populations: tuple[Population, ...] = ("unlearned", "retrained", "control", "original")
    for population in populations:
        order = models.order[population]
        if len(order):
            hits = models.analysis.hits(population, split)[order].mean(axis=0)
            arrays[f"{split}_per_class_{population}"] = np.array([hits[labels == label].mean() for label in classes])
    return arrays


def _warnings(models: Models) -> tuple[str, ...]:
    sizes = models.sizes()
    none = [row for row, size in sizes.items() if size == 0]
    if none:
        return (f"accuracy: there are no models for {', '.join(none)}.",)
    found = []
    if models.same:
        found.append(f"accuracy: {models.same}. The accuracies below are of this one model.")
    if min(sizes.values()) == 1:
        found.append("accuracy: a population has a single model, so there is no interval.")
    return tuple(found)
