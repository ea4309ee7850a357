"""``lira``: a likelihood-ratio attack between unlearned and retrained models on the forget set.

Formulas and sources: :mod:`harness_evaluators.common.likelihood_ratio`, :mod:`harness_evaluators.common.rank_scores`,
:mod:`harness_evaluators.common.roc`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Evidence, Metric, Result, hookimpl
from harness_evaluators.common import (
    bootstrap,
    control_and_noop,
    cross_fit_attack,
    finite,
    half_samples,
    likelihood_ratio,
    mean_shift,
    rank_scores,
    twins,
)
from harness_evaluators.common.control_and_noop import Description, Rows
from harness_evaluators.common.evidence_analysis import Analysis

Values = NDArray[np.float64]
Pairs = Mapping[str, tuple[Values, Values]]

RATES = 10.0 ** np.linspace(-3, 0, 31)
"""False positive rates of the plotted curve, evenly spaced on a logarithmic axis."""

GAUSSIAN_FOLDS = 16
"""Target number of folds for the AUC on phi itself; it has no interval, so that noise of the folds matters less."""

_TPR_NOTE = "Perfect unlearning scores the false positive rate itself, {rate:g}."

ATTACK = (
    Description(
        "auc",
        "lower",
        "How well an attack tells unlearned from retrained models: probability that its likelihood ratio, on "
        "normal scores of ranks, is larger for an unlearned than for a retrained model on a forgotten "
        "example; 0.5 is chance, and both too little and too much forgetting raise it.",
        bounds=(0.0, 1.0),
        headline=True,
    ),
    Description(
        "balanced_accuracy",
        "lower",
        "Balanced accuracy of the attack that predicts unlearned models from the sign of the likelihood "
        "ratio; 0.5 is chance.",
        bounds=(0.0, 1.0),
    ),
    Description(
        "tpr_at_1_percent_fpr",
        "lower",
        "True positive rate of the attack at a false positive rate of 1 %: share of unlearned models recognised.",
        unit="share",
        bounds=(0.0, 1.0),
        note=_TPR_NOTE.format(rate=0.01),
    ),
    Description(
        "tpr_at_01_percent_fpr",
        "lower",
        "True positive rate of the attack at a false positive rate of 0.1 %: share of unlearned models recognised.",
        unit="share",
        bounds=(0.0, 1.0),
        note=_TPR_NOTE.format(rate=0.001),
    ),
)
WITHOUT_TWINS = Description(
    "auc_without_twins",
    "lower",
    "As auc, on the forgotten examples that have no equal or nearly equal example in another split.",
    bounds=(0.0, 1.0),
)
GAUSSIAN = Description(
    "auc_gaussian",
    "lower",
    "As auc, with the Gaussians fitted to the logit-scaled confidence itself (Carlini et al. 2022); a few "
    "models of an extreme scale defeat this attack.",
    bounds=(0.0, 1.0),
    note="Without interval: a single outlying model would make it arbitrary. Judge by auc.",
)
DIRECTION = Description(
    "direction",
    "closer_to_reference",
    "Above 0 too little was forgotten, below 0 too much: mean shift of the logit-scaled confidence on forgotten "
    "examples against retrained models, in their standard deviations; confidences far outside those of the reference "
    "models are cut.",
    headline=True,
    distance=np.abs,
)
UNDER = Description(
    "share_under_forgotten",
    "closer_to_reference",
    "Share of forgotten examples on which unlearned models are significantly more confident than retrained ones "
    "(Welch's t-test, two-sided, 5 %); chance alone gives 2.5 %.",
    unit="share",
)
OVER = Description(
    "share_over_forgotten",
    "closer_to_reference",
    "Share of forgotten examples on which unlearned models are significantly less confident than retrained ones "
    "(Welch's t-test, two-sided, 5 %); chance alone gives 2.5 %.",
    unit="share",
)
ALL = (*ATTACK, GAUSSIAN, DIRECTION, UNDER, OVER)


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="lira",
        version="2",
        summary="Likelihood-ratio attack between unlearned and retrained models, cross-fitted over models",
        evaluate=evaluate,
        needs="phi",
        source="Carlini et al. 2022 (arXiv 2112.03570); Hayes et al. 2024 (arXiv 2403.01218)",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Attack the forget set; the formulas are in the metrics' descriptions and in the modules named above."""
    models = analysis.models
    why_not = models.why_not("forget")
    if why_not:
        return Result(tuple(control_and_noop.missing(about, why_not) for about in ALL), warnings=(f"lira: {why_not}",))
    comparisons = models.panel("forget", Analysis.phi).comparisons()
    resamples = bootstrap.resamples(analysis.evidence, models.sizes())
    attacks, gaussian = _attacks(analysis.evidence, comparisons)
    shifts = _shifts(comparisons)
    rows = {about: _attack_rows(about.name, attacks, resamples) for about in ATTACK}
    rows[GAUSSIAN] = control_and_noop.without_interval(gaussian)
    rows[DIRECTION] = control_and_noop.rows_of({row: one.mean for row, one in shifts.items()}, resamples)
    rows[UNDER] = control_and_noop.without_interval({row: one.under for row, one in shifts.items()})
    rows[OVER] = control_and_noop.without_interval({row: one.over for row, one in shifts.items()})
    metrics = (
        *(_metric(about, values) for about, values in rows.items()),
        *_without_twins(analysis, comparisons, resamples),
    )
    arrays = _curves(attacks) | {f"shift_{row}": one.per_example for row, one in shifts.items()}
    arrays |= control_and_noop.position_intervals(rows)
    return Result(metrics, arrays, control_and_noop.warnings("lira", models, rows))


def _without_twins(analysis: Analysis, comparisons: Pairs, resamples: bootstrap.Resamples) -> list[Metric]:
    """Return the AUC on examples without a twin; empty if no forgotten example has one."""
    kept = twins.without(analysis.evidence)
    if kept is None:
        return []
    note = twins.note(analysis.evidence)
    if len(kept) < twins.LEAST:
        return [control_and_noop.missing(WITHOUT_TWINS, f"Not computed: {len(kept)} examples are left. {note}")]
    some = {row: (left[:, kept], right[:, kept]) for row, (left, right) in comparisons.items()}
    found = _metric(WITHOUT_TWINS, _attack_rows("auc", _attacks(analysis.evidence, some)[0], resamples))
    return [replace(found, note=f"{note} {found.note}".strip())]


def _attacks(evidence: Evidence, comparisons: Pairs) -> tuple[dict[str, cross_fit_attack.Attack], dict[str, float]]:
    """Return the attack on normal scores for each row, and the AUC on phi itself.

    All rows have the same number of folds, so that all fit on the same share of models.
    """
    sizes = [len(side) for pair in comparisons.values() for side in pair]
    n_folds = likelihood_ratio.fold_count(comparisons["unlearned"][0].shape[1], *sizes)
    attacks, gaussian = {}, {}
    for row, (left, right) in comparisons.items():
        rng = evidence.rng("lira-folds")
        where = cross_fit_attack.splits((len(left), len(right)), n_folds, cross_fit_attack.repeats_for(n_folds), rng)
        attacks[row] = cross_fit_attack.attack(*rank_scores.normal_scores(left, right), where, RATES, rng)
        gaussian[row] = float(cross_fit_attack.value((left, right), where[: -(-GAUSSIAN_FOLDS // n_folds)])[0])
    return attacks, gaussian


def _shifts(comparisons: Pairs) -> dict[str, mean_shift.Shift]:
    """Return the shift of each row; phi is winsorised to the range of retrained, control and original models."""
    right = comparisons["unlearned"][1]
    references = [right, *(left for row, (left, _) in comparisons.items() if row != "unlearned")]
    scale = mean_shift.spread(right, likelihood_ratio.PER_EXAMPLE_FROM)
    return {
        row: mean_shift.shift(mean_shift.winsorised(left, references), right, scale)
        for row, (left, _) in comparisons.items()
    }


def _attack_rows(name: str, attacks: Mapping[str, cross_fit_attack.Attack], resamples: bootstrap.Resamples) -> Rows:
    """Return one of the attack's numbers, resampled."""
    statistics = {row: attack.numbers[name] for row, attack in attacks.items() if name in attack.numbers}
    return control_and_noop.rows_of(statistics, resamples)


def _metric(about: Description, rows: Rows) -> Metric:
    """Return the metric; without a value if its false positive rate cannot be resolved."""
    if rows.unlearned is None:
        return control_and_noop.missing(
            about, "Not computed: too few models and examples; about 4 / rate scores are needed."
        )
    found = control_and_noop.metric(about, rows)
    if found.interval is None and about in (*ATTACK, DIRECTION):
        return replace(found, note=" ".join(filter(None, (found.note, _why_without_interval(about)))))
    return found


def _why_without_interval(about: Description) -> str:
    if about.name.startswith("tpr"):
        return f"{half_samples.FEW[:-1]}, and more to resolve this rate."
    return half_samples.FEW


def _curves(attacks: Mapping[str, cross_fit_attack.Attack]) -> dict[str, Values]:
    """Return the ROC curves of all rows at the false positive rates that all of them resolve."""
    resolved = np.all([np.isfinite(attack.curve) for attack in attacks.values()], axis=0)
    curves = {f"roc_tpr_{row}": attack.curve[resolved] for row, attack in attacks.items()}
    return {"roc_fpr": RATES[resolved], **curves}
