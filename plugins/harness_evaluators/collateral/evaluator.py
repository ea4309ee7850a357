"""``collateral``: what unlearning changes for retained examples, which are members before and after.

Retained examples are in the training set of unlearned and of retrained models. After perfect unlearning, the likelihood-ratio
attack of ``lira`` therefore has the control's AUC on them. A larger one is *privacy collateral*: the method changes what the
model reveals about people who asked for nothing. ``direction`` and ``exposure`` show in which direction.

Sources: Hayes et al., "Inexact Unlearning Needs More Careful Evaluations to Avoid a False Sense of Privacy" (2024), who find
that the privacy of the remaining training examples may worsen; the attack: :mod:`harness_evaluators.common.likelihood_ratio`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Evidence, Metric, Population, Result, SplitName, hookimpl
from harness_evaluators.collateral import exposure
from harness_evaluators.common import (
    bootstrap,
    control_and_noop,
    cross_fit_attack,
    example_sample,
    finite,
    gap_metrics,
    half_samples,
    likelihood_ratio,
    mean_shift,
    rank_scores,
)
from harness_evaluators.common.bootstrap import Resamples, Sampled
from harness_evaluators.common.control_and_noop import Description, Rows
from harness_evaluators.common.evidence_analysis import Analysis, Models
from harness_evaluators.common.separation import share_above

Values = NDArray[np.float64]
Pairs = Mapping[str, tuple[Values, Values]]

NO_CURVE = np.zeros(0)

AUC = Description(
    "auc",
    "lower",
    "How well an attack tells unlearned from retrained models on retained examples: the likelihood-ratio attack of lira.auc; "
    "0.5 is chance, and both kinds of model were trained on these examples.",
    bounds=(0.0, 1.0),
)
TPR = Description(
    "tpr_at_1_percent_fpr",
    "lower",
    "True positive rate of that attack at a false positive rate of 1 %: share of unlearned models recognised by a retained "
    "example.",
    unit="share",
    bounds=(0.0, 1.0),
    note="Perfect unlearning scores the false positive rate itself, 0.01.",
)
CHANGE = Description(
    "change",
    "closer_to_reference",
    "Privacy collateral: auc on retained examples less the control's; 0 after perfect unlearning.",
    bounds=(-1.0, 1.0),
    distance=np.abs,
)
DIRECTION = Description(
    "direction",
    "closer_to_reference",
    "Mean shift of the logit-scaled confidence on retained examples against retrained models, in their standard deviations; "
    "above 0 unlearning leaves them more exposed, below 0 the model is less sure of them.",
    distance=np.abs,
)
EXPOSURE = Description(
    "exposure",
    "closer_to_reference",
    "Membership of retained examples: probability that a model is more confident on a retained than on a test example, mean "
    "over models; above the retrained models' value retained people are more exposed than retraining would leave them.",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
METRICS = (AUC, TPR, CHANGE, DIRECTION, EXPOSURE)

_UNRESOLVED = "Not computed: too few models and examples; about 4 / rate scores are needed."
_NO_TEST = "Not computed: the test set has no example of a class of the retain set."
_NO_CONTROL = "Not computed: there is no control to compare with."


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="collateral",
        version="1",
        summary="What unlearning changes for retained examples: likelihood-ratio attack, shift and membership",
        evaluate=evaluate,
        needs="phi",
        source="Hayes et al. 2024 (arXiv 2403.01218)",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Attack a sample of the retain set."""
    models, evidence = analysis.models, analysis.evidence
    if why_not := models.why_not("retain"):
        missing = tuple(control_and_noop.missing(about, why_not) for about in METRICS)
        return Result(missing, warnings=(f"collateral: {why_not}",))
    retained = example_sample.sample(evidence, "retain", np.arange(len(evidence.labels["retain"])))

    def phi(analysis: Analysis, population: Population, split: SplitName) -> Values:
        return exposure.phi(analysis, population, split, retained)

    pairs = models.panel("retain", phi).comparisons()
    resamples = bootstrap.resamples(evidence, models.sizes())
    attacks = _attacks(evidence, pairs)
    shifts = _shifts(pairs)
    auc = _rows("auc", attacks, resamples)
    rows = {
        AUC: auc,
        TPR: _rows("tpr_at_1_percent_fpr", attacks, resamples),
        DIRECTION: control_and_noop.rows_of({row: one.mean for row, one in shifts.items()}, resamples),
    }
    metrics = {about: _metric(about, values) for about, values in rows.items()}
    metrics[CHANGE] = _change(auc)
    metrics[EXPOSURE] = _exposure(models, retained, resamples)
    note = f"{len(retained)} of {len(evidence.labels['retain'])} retained examples."
    with_note = (replace(metrics[about], note=f"{metrics[about].note} {note}".strip()) for about in METRICS)
    arrays = {f"shift_{row}": one.per_example for row, one in shifts.items()}
    return Result(tuple(with_note), arrays | control_and_noop.position_intervals(rows))


def _attacks(evidence: Evidence, pairs: Pairs) -> dict[str, cross_fit_attack.Attack]:
    """Return the attack on normal scores of each row, all with the same number of folds."""
    sizes = [len(side) for pair in pairs.values() for side in pair]
    n_folds = likelihood_ratio.fold_count(pairs["unlearned"][0].shape[1], *sizes)
    repeats, found = cross_fit_attack.repeats_for(n_folds), {}
    for row, (left, right) in pairs.items():
        rng = evidence.rng("collateral-folds")
        where = cross_fit_attack.splits((len(left), len(right)), n_folds, repeats, rng)
        found[row] = cross_fit_attack.attack(*rank_scores.normal_scores(left, right), where, NO_CURVE, rng)
    return found


def _shifts(pairs: Pairs) -> dict[str, mean_shift.Shift]:
    """Return the shift of each row; phi is winsorised to the range of retrained, control and original models."""
    right = pairs["unlearned"][1]
    references = [right, *(left for row, (left, _) in pairs.items() if row != "unlearned")]
    scale = mean_shift.spread(right, likelihood_ratio.PER_EXAMPLE_FROM)
    return {
        row: mean_shift.shift(mean_shift.winsorised(left, references), right, scale) for row, (left, _) in pairs.items()
    }


def _rows(name: str, attacks: Mapping[str, cross_fit_attack.Attack], resamples: Resamples) -> Rows:
    statistics = {row: attack.numbers[name] for row, attack in attacks.items() if name in attack.numbers}
    return control_and_noop.rows_of(statistics, resamples)


def _metric(about: Description, rows: Rows) -> Metric:
    if rows.unlearned is None:
        return control_and_noop.missing(about, _UNRESOLVED)
    found = control_and_noop.metric(about, rows)
    if found.interval is None:
        return replace(found, note=f"{found.note} {half_samples.FEW}".strip())
    return found


def _change(auc: Rows) -> Metric:
    """Return the AUC less the control's, resample by resample."""
    if auc.unlearned is None or auc.control is None:
        return control_and_noop.missing(CHANGE, _NO_CONTROL)
    change = _less(auc.unlearned, auc.control)
    noop = None if auc.noop is None else _less(auc.noop, auc.control)
    found = _metric(CHANGE, Rows(change, Sampled(0.0, None), noop))
    return replace(found, smallest_visible=None if change.sd is None else control_and_noop.Z95 * change.sd)


def _less(one: Sampled, other: Sampled) -> Sampled:
    if one.replicates is None or other.replicates is None:
        return Sampled(one.value - other.value, None)
    return Sampled(one.value - other.value, one.replicates - other.replicates)


def _exposure(models: Models, retained: NDArray[np.int64], resamples: Resamples) -> Metric:
    """Return the mean over models of the AUC between retained and test examples of the same classes."""
    evidence = models.evidence
    if not models.has("test"):
        return control_and_noop.missing(EXPOSURE, _NO_TEST)
    common = np.flatnonzero(np.isin(evidence.labels["test"], evidence.labels["retain"][retained]))
    if not len(common):
        return control_and_noop.missing(EXPOSURE, _NO_TEST)
    unseen = example_sample.sample(evidence, "test", common)

    def share(analysis: Analysis, population: Population, split: SplitName) -> Values:
        members = exposure.phi(analysis, population, split, retained)
        return share_above(members, exposure.phi(analysis, population, "test", unseen))

    panel = models.panel("retain", share)
    named = {row: getattr(panel, row) for row in ("unlearned", "retrained", "control", "noop")}
    return gap_metrics.metric(EXPOSURE, {row: one for row, one in named.items() if one is not None}, resamples)
