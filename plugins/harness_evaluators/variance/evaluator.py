"""``variance``: the variance of unlearned models, split into the original's seed and the method's own.

Formulas and sources: :mod:`harness_evaluators.variance.anova`, :mod:`harness_evaluators.variance.allocation`; spread
relative to retrained models: :mod:`harness_evaluators.variance.spread_ratio`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import SPLITS, EvaluatorInfo, Metric, Result, hookimpl
from harness_evaluators.common import control_and_noop, finite
from harness_evaluators.common.control_and_noop import Z95, Description
from harness_evaluators.common.evidence_analysis import MIN_MODELS, Analysis, Models, Panel
from harness_evaluators.variance import anova, reporting, spread_ratio
from harness_evaluators.variance.reporting import Anova
from harness_evaluators.variance.spread_ratio import Ratio, Spread

Values = NDArray[np.float64]

FEW_ORIGINALS = 8
"""Fewest originals without a warning: below, the interval of a share covers most of the scale."""

TOTAL = Description(
    "phi_total",
    "none",
    "Variance over models of the logit-scaled confidence, mean over forgotten examples: between originals and within.",
)
RATIO = Description(
    "variance_ratio",
    "closer_to_reference",
    "Variance over unlearned models of the logit-scaled confidence over that of retrained models, mean over "
    "the middle half of the forgotten examples (of its logarithm); compare it with the control, which is near "
    "1.",
    unit="ratio",
)
_FEW = (
    f"Not computed: it needs {MIN_MODELS} retrained models and as many originals, or unlearned models of one original."
)
_FLAT = "Not computed: retrained models do not vary on any forgotten example."


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="variance",
        version="2",
        summary=(
            "Variance of unlearned models: due to the original's training seed, due to the method's own, and "
            "against retraining"
        ),
        evaluate=evaluate,
        source="Searle, Casella and McCulloch 1992; Arvesen and Schmitz 1970; Cochran 1977",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Analyse variances on the forget set, and of accuracies on every split."""
    models = analysis.models
    values = _values(analysis)
    found = {name: reporting.analysis(each, analysis.evidence.unlearned_from) for name, each in values.items()}
    phi = found.get("phi")
    metrics: list[Metric] = []
    for quantity in reporting.QUANTITIES:
        metrics += reporting.parts(quantity, found.get(quantity))
    metrics.append(reporting.correlation(phi))
    for quantity in reporting.PLANNED:
        metrics += reporting.plan(quantity, found.get(quantity), reporting.costs(analysis.evidence))
    panel = _panel(models)
    spreads = _spreads(panel, phi)
    metrics += [_total(spreads), _ratio(panel, spreads)]
    return Result(tuple(metrics), _arrays(spreads, phi), _warnings(models, phi))


def _values(analysis: Analysis) -> dict[str, Values]:
    """Return the analysed quantities of every unlearned model, shape (N, K), for splits that have logits."""
    judged = {split for split, logits in analysis.evidence.logits.get("unlearned", {}).items() if logits.size}
    found = {}
    if "forget" in judged:
        phi = analysis.phi("unlearned", "forget")
        found = {"phi": phi, "mean_phi": phi.mean(axis=1, keepdims=True)}
    for split in SPLITS:
        if split in judged:
            right = analysis.hits("unlearned", split)
            found[f"{split}_accuracy"] = right.mean(axis=1, keepdims=True)
    return found


def _panel(models: Models) -> Panel:
    """Return phi of the reference populations on the forget set, shape (N, n); empty without logits."""
    if not models.has("forget"):
        return Panel(None, None, None, None)
    return models.panel("forget", Analysis.phi)


def _spreads(panel: Panel, found: Anova | None) -> dict[str, Spread]:
    """Return the variances of every population that has enough models."""
    references = {"retrained": panel.retrained, "control": panel.control, "noop": panel.noop}
    spreads = {
        row: spread_ratio.spread(anova.single(values)) for row, values in references.items() if values is not None
    }
    if found is not None and found.whole is not None:
        spreads["unlearned"] = spread_ratio.spread(found.groups)
    return spreads


def _total(spreads: Mapping[str, Spread]) -> Metric:
    """Return the mean variance, with that of the references."""
    if "unlearned" not in spreads:
        return control_and_noop.missing(TOTAL, reporting.ONE_MODEL)
    means = {row: spread.mean() for row, spread in spreads.items()}
    value, interval = means["unlearned"]
    control, control_interval = means.get("control", (None, None))
    note = f"Retrained models: {means['retrained'][0]:.4g}." if "retrained" in means else ""
    metric = reporting.valued(TOTAL, value, interval, note)
    return replace(metric, control=control, control_interval=control_interval, noop=means.get("noop", (None,))[0])


def _ratio(panel: Panel, spreads: Mapping[str, Spread]) -> Metric:
    """Return the ratio to retrained models, without a position: originals may vary as much as retrained models."""
    few = "unlearned" not in spreads or spreads["unlearned"].left_out is None
    if panel.retrained is None or few:
        return control_and_noop.missing(RATIO, _FEW)
    chosen = spread_ratio.usable(panel.retrained)
    if not chosen.any():
        return control_and_noop.missing(RATIO, _FLAT)
    rows = ("unlearned", "control", "noop")
    ratios = {row: spread_ratio.ratio(spreads[row], spreads["retrained"], chosen) for row in rows if row in spreads}
    metric = reporting.valued(RATIO, ratios["unlearned"].value, ratios["unlearned"].interval)
    control = ratios.get("control")
    if control is not None:
        metric = replace(
            metric, control=control.value, control_interval=control.interval, smallest_visible=_smallest(control)
        )
    return replace(metric, noop=ratios["noop"].value if "noop" in ratios else None)


def _smallest(control: Ratio) -> float | None:
    """Return 1.96 sqrt(2) sd(control), with the standard deviation to first order from that of the logarithm."""
    return None if control.standard_error is None else Z95 * math.sqrt(2) * control.value * control.standard_error


def _arrays(spreads: Mapping[str, Spread], found: Anova | None) -> dict[str, Values]:
    """Return variances per forgotten example, in the order of ids; components are not cut at 0."""
    arrays = {f"variance_{row}": spread.per_example for row, spread in spreads.items()}
    if found is None or found.why_not:
        return arrays
    squares = anova.squares(found.groups)
    return arrays | {"between": squares.component()[0], "within": squares.within[0]}


def _warnings(models: Models, found: Anova | None) -> tuple[str, ...]:
    if models.same:
        return (f"variance: {models.same}. The variance within the original is 0.",)
    if found is None:
        return ("variance: no model finished, or there are no logits on the forget set.",)
    n_originals = len(found.groups.sizes)
    if found.why_not or n_originals >= FEW_ORIGINALS:
        return ()
    text = (
        f"variance: {n_originals} originals are few to estimate their part of the variance; intervals are wide, and missing "
        f"below {MIN_MODELS}. Use {FEW_ORIGINALS} or more."
    )
    return (text,)
