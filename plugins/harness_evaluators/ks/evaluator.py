"""``ks``: distances between the output distributions of unlearned and retrained models, example by example.

Formulas and sources: :mod:`harness_evaluators.ks.sample_distances`, :mod:`harness_evaluators.ks.null_distribution`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from harness.evaluation import EvaluatorInfo, Metric, Population, Result, SplitName, hookimpl
from harness_evaluators.common import bootstrap, control_and_noop, finite, half_samples, likelihood_ratio, mean_shift
from harness_evaluators.common.bootstrap import Linear
from harness_evaluators.common.control_and_noop import Description, Rows
from harness_evaluators.common.evidence_analysis import Analysis, Models
from harness_evaluators.ks import null_distribution, sample_distances

Values = NDArray[np.float64]
Comparisons = Mapping[str, tuple[Values, Values]]

FALSE_DISCOVERY_RATE = 0.05

NULL = (0.025, 0.5, 0.975)
"""Probabilities of the plotted quantiles of D under the null."""

MEAN_D = Description(
    "mean_d",
    "lower",
    "Distance between unlearned and retrained models' confidences: Kolmogorov-Smirnov distance of the logit- "
    "scaled confidence, mean over forgotten examples; 0 if equal, 1 if disjoint, never 0 for finitely many "
    "models, so compare it with the control.",
    bounds=(0.0, 1.0),
    headline=True,
)
REJECTED = Description(
    "share_rejected",
    "lower",
    "Share of forgotten examples whose distributions differ significantly (exact two-sample test, Benjamini-Hochberg "
    "at a false discovery rate of 5 %).",
    unit="share",
    note="Without interval: resampled models repeat, and a test on repeated values rejects too often.",
)
WASSERSTEIN = Description(
    "wasserstein",
    "lower",
    "Wasserstein-1 distance between unlearned and retrained models' logit-scaled confidence in standard deviations of "
    "the retrained ones, mean over forgotten examples; values far outside those of the reference models are cut.",
    bounds=(0.0, np.inf),
)
LOGITS = Description(
    "mean_d_logits",
    "lower",
    "Kolmogorov-Smirnov distance as mean_d, on each logit in place of the confidence, mean over forgotten examples and "
    "classes.",
    bounds=(0.0, 1.0),
)
OTHER_SPLITS: dict[SplitName, Description] = {
    split: Description(
        f"mean_d_{split}",
        "lower",
        f"Kolmogorov-Smirnov distance as mean_d, on the {split} set.",
        bounds=(0.0, 1.0),
    )
    for split in ("retain", "test")
}


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="ks",
        version="3",
        summary="Kolmogorov-Smirnov and Wasserstein distances between unlearned and retrained models' outputs",
        evaluate=evaluate,
        needs="phi",
        source="Hodges 1958; Benjamini and Hochberg 1995; Vallender 1974",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Compare distributions on the forget set, and by their mean distance on retain and test."""
    models = analysis.models
    why_not = models.why_not("forget")
    if why_not:
        every = (MEAN_D, REJECTED, WASSERSTEIN, LOGITS, *OTHER_SPLITS.values())
        return Result(tuple(control_and_noop.missing(about, why_not) for about in every), warnings=(f"ks: {why_not}",))
    resamples = bootstrap.resamples(analysis.evidence, models.sizes())
    comparisons = models.panel("forget", Analysis.phi).comparisons()
    found = _compared(comparisons)
    arrays = _arrays(comparisons, found)
    rejected = {
        row: float((false_discovery_control(arrays[f"p_{row}"]) <= FALSE_DISCOVERY_RATE).mean()) for row in comparisons
    }
    rows = {
        MEAN_D: _rows({row: one.mean for row, one in found.items()}, resamples),
        REJECTED: control_and_noop.without_interval(rejected),
        WASSERSTEIN: _rows(_wasserstein(comparisons), resamples),
    }
    if not analysis.evidence.phi_only:
        rows[LOGITS] = _rows(_on_logits(models), resamples)
    metrics = [_with_null(control_and_noop.metric(about, values), comparisons) for about, values in rows.items()]
    if analysis.evidence.phi_only:
        metrics.append(control_and_noop.missing(LOGITS, "Not computed: it needs logits, and only phi was supplied."))
    metrics += [_on_split(models, split, resamples) for split in OTHER_SPLITS]
    arrays |= control_and_noop.position_intervals(rows)
    return Result(tuple(metrics), arrays, control_and_noop.warnings("ks", models, rows))


def _rows(statistics: Mapping[str, Linear], resamples: bootstrap.Resamples) -> Rows:
    return control_and_noop.rows_of(statistics, resamples)


def _wasserstein(comparisons: Comparisons) -> dict[str, Linear]:
    """Return the mean distance of each row; phi is winsorised as for ``lira.direction``."""
    right = comparisons["unlearned"][1]
    references = [right, *(left for row, (left, _) in comparisons.items() if row != "unlearned")]
    scale = mean_shift.spread(right, likelihood_ratio.PER_EXAMPLE_FROM)
    return {
        row: sample_distances.mean_wasserstein(mean_shift.winsorised(left, references), right, scale)
        for row, (left, _) in comparisons.items()
    }


def _on_logits(models: Models) -> dict[str, Linear]:
    """Return the mean distance over examples and classes; each logit is a column."""

    def logits(analysis: Analysis, population: Population, split: SplitName) -> Values:
        found = analysis.evidence.logits[population][split]
        return found.reshape(len(found), -1)  # type: ignore[return-value]  # kept in single precision

    return {row: one.mean for row, one in _compared(models.panel("forget", logits).comparisons()).items()}


def _compared(comparisons: Comparisons) -> dict[str, sample_distances.Compared]:
    lefts, rights = ({row: pair[i] for row, pair in comparisons.items()} for i in (0, 1))
    return sample_distances.each_compared(lefts, rights["unlearned"])


def _on_split(models: Models, split: SplitName, resamples: bootstrap.Resamples) -> Metric:
    about = OTHER_SPLITS[split]
    if why_not := models.why_not(split):
        return control_and_noop.missing(about, why_not)
    pairs = models.panel(split, Analysis.phi).comparisons()
    statistics = {row: one.mean for row, one in _compared(pairs).items()}
    return _with_null(control_and_noop.metric(about, _rows(statistics, resamples)), pairs)


def _with_null(metric: Metric, comparisons: Comparisons) -> Metric:
    """Add a note with the expected value under the null, if the closed form holds (D of one continuous number per example)."""
    if metric.interval is None and metric.value is not None and metric.name != REJECTED.name:
        metric = replace(metric, note=half_samples.FEW)
    if not metric.name.startswith("mean_d"):
        return metric
    left, right = comparisons["unlearned"]
    null = null_distribution.null_mean(len(left), len(right))
    return replace(
        metric,
        note=f"Expectation for {len(left)} and {len(right)} models of equal distribution: {null:.4f}. {metric.note}".strip(),
    )


def _arrays(comparisons: Comparisons, found: Mapping[str, sample_distances.Compared]) -> dict[str, Values]:
    """Return D and its exact p for each example, in the order of the forget set's ids, and quantiles of D under the null."""
    arrays: dict[str, Values] = {}
    for row, (left, right) in comparisons.items():
        distance = np.abs(found[row].signed)
        arrays |= {f"d_{row}": distance, f"p_{row}": null_distribution.p_values(distance, len(left), len(right))}
    left, right = comparisons["unlearned"]
    return arrays | {"d_null_quantiles": np.array(null_distribution.null_quantiles(len(left), len(right), NULL))}
