"""The metrics of ``forgetting_quality``: names, descriptions, the competition's score, and warnings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Metric, Population, SplitName
from harness_evaluators.common import control_and_noop, evidence_analysis, half_samples
from harness_evaluators.common.bootstrap import Resamples, Sampled
from harness_evaluators.common.control_and_noop import Description, Rows
from harness_evaluators.common.evidence_analysis import Analysis, Models
from harness_evaluators.forgetting_quality import lower_bounds, rates
from harness_evaluators.forgetting_quality.statistics import CROSS_FITTED, IN_SAMPLE, MANY, Row
from harness_evaluators.forgetting_quality.strongest_attack import AttackName

Values = NDArray[np.float64]
Ratios = Mapping[str, Sampled]

SHORT: Mapping[AttackName, str] = {"official-grid": "official", "exact": "exact"}
_FAMILY: Mapping[AttackName, str] = {
    "official-grid": "the 2023 challenge's own grid of attacks",
    "exact": "all single thresholds and closed intervals",
}
_FEW = f"Without interval: it needs {MANY} models per population."
_TEXTS = {
    "f": "F by {family}: forgetting quality, mean over forgotten examples of points that halve with every 0.5 of epsilon; "
    "retraining itself stays far below 1, so read it beside the control.",
    "mean_epsilon": "Mean over forgotten examples of the epsilon that {family} reach in telling unlearned from retrained "
    "models; 0 would be indistinguishable, but retraining itself does not reach it.",
    "median_epsilon": "Median over forgotten examples of the epsilon by {family}.",
    "f_crossfit": "F by {family}, each attack chosen on one half of the models and tested on the other.",
    "mean_epsilon_crossfit": "Mean epsilon by {family}, each attack chosen on one half of the models and tested on "
    "the other: without selection bias.",
}
NO_RATIO = "Not computed: it needs accuracies on the retain and the test set, above 0 for retrained models."
SCORE = Description(
    "score_official",
    "higher",
    "The 2023 challenge's score: F by its own grid of attacks, times the ratios of unlearned to retrained models' accuracy "
    "on the retain and the test set.",
    bounds=(0.0, math.inf),
)
LOWER_BOUND = Description(
    "epsilon_lower_bound_mean",
    "lower",
    "Mean over forgotten examples of a lower bound of epsilon with 95 % confidence for each: the attack "
    "chosen on one half of the models, its errors counted on the other and bounded (Clopper-Pearson).",
    bounds=(0.0, rates.CAP),
    note="Without interval: it is a confidence bound.",
)


def describe(statistic: str, attack: AttackName) -> Description:
    """Return the description of a statistic by a family of attacks."""
    is_f = statistic.startswith("f")
    name, suffix, _ = statistic.partition("_crossfit")
    return Description(
        f"{name}_{SHORT[attack]}{suffix}",
        "higher" if is_f else "lower",
        _TEXTS[statistic].format(family=_FAMILY[attack]),
        bounds=(0.0, 1.0) if is_f else (0.0, rates.CAP),
        headline=statistic == "f" and attack == "official-grid",
        note=_without_interval(statistic, attack),
    )


def _without_interval(statistic: str, attack: AttackName) -> str:
    """Return why a statistic is not resampled; empty if it is."""
    if statistic == "median_epsilon":
        return "Without interval: it takes few values, and resamples mostly repeat one of them."
    if statistic in CROSS_FITTED and attack == "official-grid":
        return "Without interval: resampling would triple the cost."
    return ""


F_OFFICIAL = describe("f", "official-grid")
EVERY = (
    *(describe(statistic, attack) for attack in SHORT for statistic in (*IN_SAMPLE, *CROSS_FITTED)),
    LOWER_BOUND,
    SCORE,
)


def rows(found: Mapping[AttackName, Mapping[str, Row]], resamples: Resamples) -> dict[Description, Rows]:
    """Return all statistics of both families, resampled."""
    return {
        describe(statistic, attack): _rows(statistic, each, resamples)
        for attack, each in found.items()
        for statistic in (*IN_SAMPLE, *CROSS_FITTED)
    }


def _rows(statistic: str, found: Mapping[str, Row], resamples: Resamples) -> Rows:
    """Return one statistic, resampled."""
    statistics = {name: row.statistics[statistic] for name, row in found.items()}
    few = min(len(weights[0]) for weights in resamples.weights.values() if weights.size) < MANY
    if statistic == "median_epsilon" or (_needs_many(statistic) and few):
        return control_and_noop.without_interval({name: one.value for name, one in statistics.items()})
    return control_and_noop.rows_of(statistics, resamples)


def _needs_many(name: str) -> bool:
    return name.startswith("mean") or name.endswith("_crossfit")


def accuracy_ratios(models: Models, resamples: Resamples) -> Ratios | None:
    """Return accuracy on retain times that on test, each over the retrained models', by row; None if they do not exist."""
    if models.evidence.phi_only or not (models.has("retain") and models.has("test")):
        return None
    right = {split: models.panel(split, _accuracies) for split in ("retain", "test")}
    parts = [panel.retrained for panel in right.values() if panel.retrained is not None]
    if not all(part.mean() > 0 for part in parts):
        return None
    reference = _product([resamples.mean("retrained", part) for part in parts])
    ratios = {}
    for row in ("unlearned", "control", "noop"):
        own = [getattr(panel, row) for panel in right.values()]
        if all(one is not None for one in own):
            ratios[row] = _ratio(_product([resamples.mean(row, one) for one in own]), reference)
    return ratios


def scores(f: Rows, ratios: Ratios) -> Rows:
    """Return F times the ratios of accuracies, row by row and resample by resample."""
    values = {row: getattr(f, row) for row in ratios}
    return Rows(**{row: _product([value, ratios[row]]) for row, value in values.items() if value is not None})


def context(sizes: Mapping[str, int]) -> str:
    """Return a note on the number of models."""
    n = sizes["unlearned"]
    return (
        f"N = {n}, delta = {rates.DELTA:g}, largest finite epsilon ln(N - 1) = {math.log(n - 1):.3f}, largest lower "
        f"bound {lower_bounds.certifiable(n):.3f}."
    )


def with_context(metric: Metric, text: str) -> Metric:
    """Return the metric with a note on N; for F and the score also with a note on comparability."""
    limits = "" if metric.name.startswith(("mean", "median")) else _NOT_COMPARABLE
    note = metric.note
    if metric.interval is None and not note:
        note = _FEW if _needs_many(metric.name) else half_samples.FEW
    return replace(metric, note=" ".join(part for part in (note, text, limits) if part))


_NOT_COMPARABLE = "Not comparable with runs of another N, another family of attacks or another spread of phi."


def design_warnings(models: Models, guarded: Mapping[str, int]) -> tuple[str, ...]:
    """Return warnings if unlearned models do not vary, so that the run's design looks like bad forgetting."""
    phi = models.analysis.phi("unlearned", "forget")[models.order["unlearned"]]
    constant, total = int((np.ptp(phi, axis=0) == 0).sum()), phi.shape[1]
    if constant:
        return (_constant(constant, total),)
    if guarded["unlearned"]:
        text = (
            f"forgetting_quality: on {guarded['unlearned']} of {total} forgotten examples one population's range is less "
            "than 1 % of the other's; by the competition's rule epsilon is 50 there, without any attack."
        )
        return (text,)
    return ()


def _constant(constant: int, total: int) -> str:
    """Return the warning on examples with equal outputs of all unlearned models."""
    return (
        f"forgetting_quality: on {constant} of {total} forgotten examples all unlearned models give the very same phi; by "
        "the competition's rule epsilon is 50 and no point is given there, which says nothing about forgetting. The "
        "method's output there depends neither on its seed nor on the original that it was given, or is saturated."
    )


def size_warnings(models: Models) -> tuple[str, ...]:
    """Return warnings on reference rows with fewer models than the value, since F depends on their number."""
    sizes = models.sizes()
    few = [
        f"{sizes[row]} {row}"
        for row in ("control", "noop")
        if evidence_analysis.MIN_MODELS <= sizes[row] < sizes["unlearned"]
    ]
    if not few:
        return ()
    text = (
        f"forgetting_quality: {' and '.join(few)} models stand beside {sizes['unlearned']} unlearned ones; F depends on "
        "N, so these rows are not quite on the same scale."
    )
    return (text,)


def _accuracies(analysis: Analysis, population: Population, split: SplitName) -> Values:
    """Return the accuracy of every model, shape (N,)."""
    return np.asarray(analysis.hits(population, split).mean(axis=1))


def _product(factors: list[Sampled]) -> Sampled:
    replicates = [factor.replicates for factor in factors if factor.replicates is not None]
    whole = np.prod(replicates, axis=0) if len(replicates) == len(factors) else None
    return Sampled(math.prod(factor.value for factor in factors), whole)


def _ratio(numerator: Sampled, denominator: Sampled) -> Sampled:
    """Return the quotient with replicates to first order, since a resampled denominator may come close to 0."""
    value, replicates = numerator.value / denominator.value, None
    if numerator.replicates is not None and denominator.replicates is not None:
        replicates = value + (numerator.replicates - value * denominator.replicates) / denominator.value
    return Sampled(value, replicates)
