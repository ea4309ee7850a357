"""``divergence``: distances between the posteriors of unlearned and retrained models, pair by pair.

Formulas and sources: :mod:`harness_evaluators.common.posterior_distances`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Evidence, Metric, Population, Result, SplitName, hookimpl
from harness_evaluators.common import bootstrap, control_and_noop, finite, gap_metrics, posterior_distances
from harness_evaluators.common.bootstrap import Linear, Resamples
from harness_evaluators.common.control_and_noop import Description, Rows
from harness_evaluators.common.evidence_analysis import MIN_MODELS, Analysis, Models

Singles = NDArray[np.float32]
Sides = Mapping[str, posterior_distances.Side]
Distance = Callable[[posterior_distances.Side, posterior_distances.Side], Linear]

_BESIDE = "; two retrained models differ as well, so read it beside the control."

JS = Description(
    "js",
    "closer_to_reference",
    "Jensen-Shannon divergence between the posteriors of an unlearned and a retrained model, mean over forgotten "
    "examples and pairs of models" + _BESIDE,
    unit="bit",
    bounds=(0.0, 1.0),
)
EXCESS = Description(
    "js_excess",
    "lower",
    "Excess of the Jensen-Shannon divergence across populations over that within them, 2 E js(unlearned, "
    "retrained) - E js(unlearned, unlearned) - E js(retrained, retrained), on forgotten examples: 0 for equal "
    "populations, above 0 for too little and for too much forgetting.",
    unit="bit",
)
ACTIVATION = Description(
    "activation_distance",
    "closer_to_reference",
    "Euclidean distance between the posteriors of an unlearned and a retrained model, mean over forgotten examples and "
    "pairs of models" + _BESIDE,
    bounds=(0.0, float(np.sqrt(2))),
)
COMPLETENESS = Description(
    "completeness",
    "closer_to_reference",
    "Share of forgotten examples with the same predicted class by an unlearned and a retrained model, mean "
    "over pairs of models" + _BESIDE,
    unit="share",
    bounds=(0.0, 1.0),
)
ZRF_UNIFORM = Description(
    "zrf_uniform",
    "closer_to_reference",
    "Zero retrain forgetting score with the uniform posterior in place of a randomly initialised model: 1 "
    "less the Jensen-Shannon divergence from it in bits, mean over forgotten examples; compare it with "
    "retrained models.",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
OTHER_SPLITS: dict[SplitName, Description] = {
    split: Description(
        f"js_{split}", "closer_to_reference", f"Divergence as js, on the {split} set.", unit="bit", bounds=(0.0, 1.0)
    )
    for split in ("retain", "test")
}
PAIRED: Mapping[Description, Distance] = {
    JS: posterior_distances.mean_jensen_shannon,
    ACTIVATION: posterior_distances.mean_activation_distance,
    COMPLETENESS: posterior_distances.mean_completeness,
}


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="divergence",
        version="4",
        summary="Jensen-Shannon, activation distance and agreement between unlearned and retrained models",
        evaluate=evaluate,
        source="Lin 1991; Chundawat et al. 2023 (arXiv 2205.08096); Golatkar et al. 2021 (arXiv 2012.13431)",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Compare posteriors on the forget set, and by their mean divergence on retain and test."""
    models = analysis.models
    why_not = models.why_not("forget")
    if why_not:
        every = (EXCESS, *PAIRED, ZRF_UNIFORM, *OTHER_SPLITS.values())
        missing = tuple(control_and_noop.missing(about, why_not) for about in every)
        return Result(missing, warnings=(f"divergence: {why_not}",))
    resamples = bootstrap.resamples(analysis.evidence, models.sizes())
    sides = _sides(models, "forget")
    paired = {about: _paired(sides, distance) for about, distance in PAIRED.items()}
    found = {EXCESS: _excess(sides, paired[JS]), **paired}
    rows = {about: control_and_noop.rows_of(statistics, resamples) for about, statistics in found.items()}
    metrics = [control_and_noop.metric(EXCESS, rows[EXCESS])]
    metrics += [_without_position(about, rows[about]) for about in PAIRED]
    scores = {
        row: posterior_distances.zero_retrain_forgetting(p, _uniform(analysis.evidence)) for row, p in sides.items()
    }
    metrics.append(gap_metrics.metric(ZRF_UNIFORM, scores, resamples))
    metrics += [_on_split(models, split, resamples) for split in OTHER_SPLITS]
    arrays = control_and_noop.position_intervals({EXCESS: rows[EXCESS]})
    return Result(tuple(metrics), arrays, control_and_noop.warnings("divergence", models, rows))


def _uniform(evidence: Evidence) -> Singles:
    return np.full(evidence.n_classes, 1 / evidence.n_classes, dtype=np.float32)


def _sides(models: Models, split: SplitName) -> Sides:
    """Return posteriors, models in order, for each population that has enough of them."""
    names: dict[str, Population] = {"unlearned": "unlearned", "retrained": "retrained", "control": "control"}
    orders = {row: (key, models.order[key]) for row, key in {**names, "noop": "original"}.items()}
    logits = models.evidence.logits
    return {
        row: posterior_distances.side_of(logits[key][split], order)
        for row, (key, order) in orders.items()
        if len(order) >= MIN_MODELS
    }


def _paired(sides: Sides, distance: Distance) -> dict[str, Linear]:
    """Return the distance of each row from the retrained models."""
    return {row: distance(left, sides["retrained"]) for row, left in sides.items() if row != "retrained"}


def _excess(sides: Sides, across: Mapping[str, Linear]) -> dict[str, Linear]:
    within = {row: posterior_distances.jensen_shannon_within(side) for row, side in sides.items()}
    return {row: posterior_distances.excess(one, within[row], within["retrained"]) for row, one in across.items()}


def _on_split(models: Models, split: SplitName, resamples: Resamples) -> Metric:
    about = OTHER_SPLITS[split]
    if why_not := models.why_not(split):
        return control_and_noop.missing(about, why_not)
    statistics = _paired(_sides(models, split), PAIRED[JS])
    return _without_position(about, control_and_noop.rows_of(statistics, resamples))


def _without_position(about: Description, rows: Rows) -> Metric:
    """Return the metric without a position: overconfident models can be nearer to retrained ones than these to each other."""
    return replace(control_and_noop.metric(about, rows), position=None)
