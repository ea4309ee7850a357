"""``before_after``: membership inference by an attacker who holds the models before and after unlearning.

Formulas and sources: :mod:`harness_evaluators.before_after.change`, :mod:`harness_evaluators.before_after.cross_fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Evidence, Result, hookimpl
from harness_evaluators.before_after import cross_fit
from harness_evaluators.before_after.cross_fit import Outcome
from harness_evaluators.common import bootstrap, control_and_noop, example_sets, finite, gap_metrics
from harness_evaluators.common.control_and_noop import Description
from harness_evaluators.common.evidence_analysis import Analysis, Models

Values = NDArray[np.float64]
Statistic = Callable[[Outcome], Values]

_WHO = "distinguishing forgotten from unseen examples of the same classes by"

AUC = Description(
    "auc",
    "closer_to_reference",
    f"AUC of {_WHO}; retraining reveals something too, and the control shows how much.",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
EXCESS = Description(
    "excess_auc",
    "closer_to_reference",
    "auc less that of the same attack on retrained models in place of unlearned ones: above 0 unlearning "
    "reveals more of the forget set than retraining does.",
    bounds=(-1.0, 1.0),
    distance=np.abs,
)
GAIN = Description(
    "auc_gain",
    "closer_to_reference",
    "auc less that of the same attack on the model before alone: what the model after adds.",
    bounds=(-1.0, 1.0),
    distance=np.abs,
)
DEG_RATE = Description(
    "deg_rate",
    "closer_to_reference",
    "Mean gain in the probability that the attack gives to the true answer, over the attack on the model before alone.",
    bounds=(-1.0, 1.0),
    distance=np.abs,
)
DEG_COUNT = Description(
    "deg_count",
    "closer_to_reference",
    "Share of examples for which the attack gives the true answer a probability more than 0.001 higher than "
    "the attack on the model before alone; a smaller difference counts half.",
    unit="share",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
_FEATURES = {
    "sorted_diff": "the differences of the sorted posteriors",
    "direct_diff": "the difference of the true class's posteriors",
    "l2": "the Euclidean distance of the posteriors",
    "sorted_concat": "the sorted posteriors of both models",
}
BY_FEATURE = {
    name: Description(
        f"auc_{name}", "closer_to_reference", f"As auc, by {words} alone.", bounds=(0.0, 1.0), distance=np.abs
    )
    for name, words in _FEATURES.items()
}


def _by_feature(name: str) -> Statistic:
    return lambda outcome: outcome.auc[name]


STATISTICS: Mapping[Description, Statistic] = {
    AUC: _by_feature("all"),
    GAIN: lambda outcome: outcome.auc["all"] - outcome.auc["before"],
    DEG_RATE: lambda outcome: outcome.gain,
    DEG_COUNT: lambda outcome: outcome.share,
    **{about: _by_feature(name) for name, about in BY_FEATURE.items()},
}
ALL = (AUC, EXCESS, *(about for about in STATISTICS if about is not AUC))


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="before_after",
        version="7",
        summary="What the models before and after unlearning together reveal about who was forgotten",
        evaluate=evaluate,
        source="Chen et al. 2021 (arXiv 2005.02205)",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Attack pairs of models, forgotten against test examples."""
    models = analysis.models
    examples = None
    why_not = models.why_not("forget") or models.why_not("test") or _why_no_pairs(analysis.evidence)
    if not why_not:
        examples = example_sets.matched(analysis.evidence, analysis.evidence.rng("before-after"))
    if examples is None:
        why_not = why_not or "Not computed: no class of the forget set is in the test set."
        missing = tuple(control_and_noop.missing(about, why_not) for about in ALL)
        return Result(missing, warnings=(f"before_after: {why_not}",))
    resamples = bootstrap.resamples(analysis.evidence, models.sizes())
    rows = cross_fit.pairs(models)
    every = {
        row: cross_fit.contributions(cross_fit.trial(analysis, one, examples), _statistics) for row, one in rows.items()
    }
    found = {about: {row: values[:, i] for row, values in every.items()} for i, about in enumerate(STATISTICS)}
    gaps = gap_metrics.gaps(found[AUC], resamples)
    whole = [gap_metrics.metric(AUC, found.pop(AUC), resamples), control_and_noop.metric(EXCESS, gaps)]
    # Parts of the attack may hardly differ between no-op and control, so they get no position of their own.
    parts = [replace(gap_metrics.metric(about, values, resamples), position=None) for about, values in found.items()]
    warnings = (*control_and_noop.warnings("before_after", models, {AUC: gaps}), *_warnings(models))
    arrays = control_and_noop.position_intervals({AUC: gaps, EXCESS: gaps})
    return Result((*whole, *parts), arrays, warnings)


def _statistics(outcome: Outcome) -> Values:
    return np.stack([of(outcome) for of in STATISTICS.values()])


def _why_no_pairs(evidence: Evidence) -> str:
    before = evidence.logits.get("original", {})
    if not all(split in before and len(before[split]) for split in ("forget", "test")):
        return "Not computed: it needs logits of the original models on the forget and test sets."
    if evidence.unlearned_from.max(initial=0) >= len(before["forget"]):
        return "Not computed: some unlearned models came from originals without logits."
    return ""


def _warnings(models: Models) -> tuple[str, ...]:
    found = example_sets.warning("before_after", models.evidence)
    if len(set(models.evidence.unlearned_from.tolist())) > 1:
        return found
    text = (
        "before_after: all models came from one original, so the attack is fitted and tested on the same "
        "model before; its results are too optimistic."
    )
    return (*found, text)
