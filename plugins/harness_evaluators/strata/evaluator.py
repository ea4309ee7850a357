"""``strata``: the attack of ``lira`` and the distances of ``ks`` by stratum of memorisation.

The mean over a forget set hides examples that are still remembered: most have little to forget. Strata are groups of equal
size of the forget set, deciles if it has 50 examples or more, by the memory of the originals. Formulas:
:mod:`harness_evaluators.strata.halvings`, :mod:`harness_evaluators.common.likelihood_ratio`,
:mod:`harness_evaluators.common.ks_distance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Metric, Result, hookimpl
from harness_evaluators.common import bootstrap, control_and_noop, example_sample, finite, half_samples, mean_shift
from harness_evaluators.common.bootstrap import Linear
from harness_evaluators.common.control_and_noop import Description
from harness_evaluators.common.evidence_analysis import MIN_MODELS, Analysis, Models
from harness_evaluators.strata import halvings
from harness_evaluators.strata.halvings import Row, Sides

Values = NDArray[np.float64]
Order = NDArray[np.int64]

STRATA = 10
"""Most strata."""
LEAST_EXAMPLES = 5
"""Fewest examples of a stratum."""
MOST_EXAMPLES = 1000
"""Most examples: of more, a random sample is used."""

AUC = Description(
    "auc_most_memorised",
    "lower",
    "lira.auc on the stratum of the forget set that originals remember best: how well an attack tells unlearned from "
    "retrained models there; 0.5 is chance.",
    bounds=(0.0, 1.0),
)
RATE = Description(
    "tpr_at_1_percent_fpr_most_memorised",
    "lower",
    "lira.tpr_at_1_percent_fpr on the stratum that originals remember best; chance gives 0.01.",
    unit="share",
    bounds=(0.0, 1.0),
)
MEAN_D = Description(
    "mean_d_most_memorised",
    "lower",
    "ks.mean_d on the stratum that originals remember best: Kolmogorov-Smirnov distance between the confidences of unlearned and "
    "retrained models.",
    bounds=(0.0, 1.0),
)
SHIFT = Description(
    "shift_most_memorised",
    "closer_to_reference",
    "lira.direction on the stratum that originals remember best: above 0 too little was forgotten, below 0 too much, in standard "
    "deviations of retrained models.",
    distance=np.abs,
)
ALL = (AUC, RATE, MEAN_D, SHIFT)
HALF = (
    "Measured on half of the models at a time, so that distances exceed those of lira and ks; compare with the control."
)


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="strata",
        version="1",
        summary="Attack and distances on the forget set, by how much the originals remember each example",
        evaluate=evaluate,
        needs="phi",
        source="Naderloui et al. 2025 (arXiv 2506.13009); Zhao et al. 2024 (arXiv 2406.01257); Feldman and Zhang 2020",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Measure each stratum; the metrics are those of the highest one, the arrays have all."""
    models = analysis.models
    examples = _sample(analysis)
    if why_not := _why_not(models, len(examples)):
        return Result(tuple(control_and_noop.missing(about, why_not) for about in ALL))
    strata = min(STRATA, len(examples) // LEAST_EXAMPLES)
    sides = _sides(models, examples)
    seed = int(analysis.evidence.rng("strata").integers(2**63))
    found = halvings.measured(sides, strata, seed)
    resamples = bootstrap.resamples(analysis.evidence, models.sizes())
    enough = min(len(sides.retrained), *map(len, sides.rows.values())) >= half_samples.LEAST
    statistics = {
        name: {row: _each_stratum(values[:, :, number], enough=enough) for row, values in found.items()}
        for number, name in enumerate(halvings.STATISTICS)
    }
    rows = {
        about: control_and_noop.rows_of({row: each[-1] for row, each in statistics[_name(about)].items()}, resamples)
        for about in ALL
        if np.isfinite([each[-1].value for each in statistics[_name(about)].values()]).all()
    }
    metrics = tuple(_metric(about, rows, strata, len(examples)) for about in ALL)
    arrays = _arrays(statistics, resamples, len(examples), strata) | control_and_noop.position_intervals(rows)
    return Result(metrics, arrays)


def _name(about: Description) -> str:
    return about.name.removesuffix("_most_memorised")


def _sample(analysis: Analysis) -> Order:
    """Return the row numbers of at most MOST_EXAMPLES examples, in the order of their ids."""
    evidence = analysis.evidence
    if not analysis.models.has("forget"):
        return np.zeros(0, dtype=np.int64)
    ids = evidence.ids["forget"]
    rows = example_sample.sample(evidence, "forget", np.arange(len(ids)), MOST_EXAMPLES)
    return np.asarray(rows[np.argsort(ids[rows], kind="stable")])


def _why_not(models: Models, examples: int) -> str:
    if why_not := models.why_not("forget"):
        return why_not
    sizes = models.sizes() | {"noop": len(models.whole["original"])}
    few = [f"{sizes[row]} {row}" for row in ("unlearned", "retrained", "noop") if sizes[row] < 2 * MIN_MODELS]
    if few:
        return (
            f"Not computed: {' and '.join(few)} models; strata come from one half of the models and values from the other, and "
            f"each needs {MIN_MODELS}."
        )
    if examples < 2 * LEAST_EXAMPLES:
        return f"Not computed: {examples} forgotten examples; two strata need {2 * LEAST_EXAMPLES}."
    return ""


def _sides(models: Models, examples: Order) -> Sides:
    """Return the confidences of all models that take part, unlearned ones cut to the range of the others."""
    phi, evidence, order = models.analysis.phi, models.evidence, models.order
    originals = models.whole["original"]
    rows: dict[Row, Values] = {"unlearned": phi("unlearned", "forget")[order["unlearned"]][:, examples]}
    retrained = phi("retrained", "forget")[order["retrained"]][:, examples]
    noop = phi("original", "forget")[originals][:, examples]
    if len(order["control"]) >= 2 * MIN_MODELS:
        rows["control"] = phi("control", "forget")[order["control"]][:, examples]
    rows["noop"] = noop
    references = [retrained, *(values for row, values in rows.items() if row != "unlearned")]
    rows["unlearned"] = mean_shift.winsorised(rows["unlearned"], references)
    origins = np.full(len(order["unlearned"]), -1, dtype=np.int64)
    if evidence.design == "per-original":
        place = {int(number): position for position, number in enumerate(originals)}
        origins = np.array(
            [place.get(int(one), -1) for one in evidence.unlearned_from[order["unlearned"]]], dtype=np.int64
        )
    return Sides(rows, retrained, noop, origins)


def _each_stratum(values: Values, *, enough: bool) -> list[Linear]:
    """Return the mean of each stratum over halvings, with the noise; values of shape (HALVINGS, 2, strata)."""
    means, deviations = values.mean(axis=(0, 1)), (values[:, 0] - values[:, 1]) / 2
    noise = [deviations[:, number] if enough else None for number in range(len(means))]
    return [Linear(float(mean), deviations=one) for mean, one in zip(means, noise, strict=True)]


def _metric(
    about: Description, rows: Mapping[Description, control_and_noop.Rows], strata: int, examples: int
) -> Metric:
    if about not in rows:
        return control_and_noop.missing(
            about,
            "Not computed: a stratum has too few scores for this rate; use more models or more forgotten examples.",
        )
    found = control_and_noop.metric(about, rows[about])
    few = "" if found.interval is not None else half_samples.FEW
    note = (
        f"The highest of {strata} strata, {examples - (strata - 1) * examples // strata} examples. {HALF} {few}".strip()
    )
    return replace(found, note=note)


def _arrays(
    statistics: Mapping[str, Mapping[Row, list[Linear]]], resamples: bootstrap.Resamples, examples: int, strata: int
) -> dict[str, Values]:
    """Return each statistic by stratum, least memorised first, with the ends of its interval for unlearned models."""
    memory = statistics["memory"]["unlearned"]
    bounds = {_name(about): about.bounds for about in ALL}
    arrays = {
        "memory_per_stratum": np.array([one.value for one in memory]),
        "examples_per_stratum": np.bincount(np.arange(examples) * strata // examples).astype(np.float64),
    }
    for name, by_row in statistics.items():
        values = {row: np.array([one.value for one in each]) for row, each in by_row.items()}
        if name == "memory" or not all(np.isfinite(one).all() for one in values.values()):
            continue
        for row, one in values.items():
            arrays[f"{name}_per_stratum_{row}"] = one
            sampled = [resamples.linear(row, each).interval(bounds[name]) for each in by_row[row]]
            ends = [(one.low, one.high) for one in sampled if one is not None]
            if len(ends) == strata:
                arrays[f"{name}_interval_per_stratum_{row}"] = np.array(ends).T
    return arrays
