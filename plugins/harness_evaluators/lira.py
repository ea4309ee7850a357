"""``lira``: how well a likelihood-ratio attack tells the unlearned models from retrained ones on the forget set.

Formulas and sources: :mod:`harness_evaluators._lira`, :mod:`harness_evaluators._roc`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Evidence, Metric, Result, hookimpl
from harness_evaluators import _attack, _bootstrap, _calibration, _finite, _lira, _populations, _shift
from harness_evaluators._calibration import Description, Rows

Values = NDArray[np.float64]

RATES = 10.0 ** np.linspace(-3, 0, 31)
"""False positive rates of the plotted curve, even on a logarithmic axis."""

DEGENERATE = math.sqrt(0.5)
"""Factor on the control's jackknife deviations.

Where both populations are alike, a cross-fitted attack is a statistic of second order: what the fit learned times what
the scores show, both noise. The jackknife then counts every term twice (Efron and Stein, "The jackknife estimate of
variance", 1981), and half its variance is the truth. Measured at N = 32: true .0091, jackknife .0134, corrected .0095.
"""

_TPR_NOTE = "Perfect unlearning scores the false positive rate itself, {rate:g}."

ATTACK = (
    Description(
        "auc",
        "lower",
        "How well an attack tells unlearned from retrained models: chance that its likelihood ratio ranks an unlearned "
        "model above a retrained one on a forgotten example; 0.5 is indistinguishable, and forgetting too much raises it "
        "as forgetting too little does.",
        bounds=(0.0, 1.0),
        headline=True,
    ),
    Description(
        "balanced_accuracy",
        "lower",
        "Share of unlearned and of retrained models that the sign of the likelihood ratio tells right; 0.5 is chance.",
        bounds=(0.0, 1.0),
    ),
    Description(
        "tpr_at_1_percent_fpr",
        "lower",
        "Share of unlearned models recognised when 1 % of retrained ones are mistaken for unlearned.",
        unit="share",
        bounds=(0.0, 1.0),
        note=_TPR_NOTE.format(rate=0.01),
    ),
    Description(
        "tpr_at_01_percent_fpr",
        "lower",
        "Share of unlearned models recognised when 0.1 % of retrained ones are mistaken for unlearned.",
        unit="share",
        bounds=(0.0, 1.0),
        note=_TPR_NOTE.format(rate=0.001),
    ),
)
DIRECTION = Description(
    "direction",
    "closer_to_reference",
    "Above 0 too little was forgotten, below 0 too much: mean shift of the logit-scaled confidence on forgotten "
    "examples against retrained models, in their standard deviations.",
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
ALL = (*ATTACK, DIRECTION, UNDER, OVER)


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="lira",
        version="2",
        summary="Likelihood-ratio attack between unlearned and retrained models, cross-fitted over models",
        evaluate=evaluate,
        source="Carlini et al. 2022 (arXiv 2112.03570); Hayes et al. 2024 (arXiv 2403.01218)",
    )


@_finite.finite
def evaluate(evidence: Evidence) -> Result:
    """Attack the forget set; the formulas are in the metrics' descriptions and in the modules named above."""
    models = _populations.models(evidence)
    why_not = models.why_not("forget")
    if why_not:
        return Result(tuple(_calibration.missing(about, why_not) for about in ALL), warnings=(f"lira: {why_not}",))
    comparisons = models.panel("forget", _populations.phi_values).comparisons()
    resamples = _bootstrap.resamples(evidence, models.sizes())
    attacks = _attacks(evidence, comparisons)
    shifts = _shifts(comparisons)
    rows = {about: _attack_rows(about.name, attacks, resamples) for about in ATTACK}
    rows[DIRECTION] = _calibration.rows_of({row: one.mean for row, one in shifts.items()}, resamples)
    rows[UNDER] = _calibration.without_interval({row: one.under for row, one in shifts.items()})
    rows[OVER] = _calibration.without_interval({row: one.over for row, one in shifts.items()})
    metrics = tuple(_metric(about, values) for about, values in rows.items())
    arrays = _curves(attacks) | {f"shift_{row}": one.per_example for row, one in shifts.items()}
    arrays |= _calibration.position_intervals(rows)
    return Result(metrics, arrays, _calibration.warnings("lira", models, rows))


def _attacks(evidence: Evidence, comparisons: Mapping[str, tuple[Values, Values]]) -> dict[str, _attack.Attack]:
    """The attack for each row; the number of folds is common, so that all rows fit on the same share of models."""
    sizes = [len(side) for pair in comparisons.values() for side in pair]
    n_folds, repeats = _lira.fold_count(*sizes), _attack.repeats_for(min(sizes))
    attacks = {}
    for row, (left, right) in comparisons.items():
        where = _attack.splits((len(left), len(right)), n_folds, repeats, evidence.rng("lira-folds"))
        attacks[row] = _attack.attack(left, right, where, RATES)
    return attacks


def _shifts(comparisons: Mapping[str, tuple[Values, Values]]) -> dict[str, _shift.Shift]:
    return {
        row: _shift.shift(left, right, _shift.spread(right, _lira.PER_EXAMPLE_FROM))
        for row, (left, right) in comparisons.items()
    }


def _attack_rows(name: str, attacks: Mapping[str, _attack.Attack], resamples: _bootstrap.Resamples) -> Rows:
    """One of the attack's numbers, resampled; the control's spread is halved in variance, see :data:`DEGENERATE`."""
    statistics = {row: attack.numbers[name] for row, attack in attacks.items() if name in attack.numbers}
    rows = _calibration.rows_of(statistics, resamples)
    return rows if rows.control is None else replace(rows, control=rows.control.narrowed(DEGENERATE))


def _metric(about: Description, rows: Rows) -> Metric:
    """The metric, or why its false positive rate cannot be resolved."""
    if rows.unlearned is None:
        return _calibration.missing(about, "Not computed: too few models and examples to resolve this rate.")
    return _calibration.metric(about, rows)


def _curves(attacks: Mapping[str, _attack.Attack]) -> dict[str, Values]:
    """The ROC curves of all rows, at the false positive rates that all of them resolve."""
    resolved = np.all([np.isfinite(attack.curve) for attack in attacks.values()], axis=0)
    curves = {f"roc_tpr_{row}": attack.curve[resolved] for row, attack in attacks.items()}
    return {"roc_fpr": RATES[resolved], **curves}
