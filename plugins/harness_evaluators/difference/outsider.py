"""An outsider who has the model after alone: can he tell that something was removed from it?

He knows neither the forget set nor the model before; he has models of all kinds of his own, and compares their confidences on
test examples: the log-likelihood ratio of unlearned against other models, Gaussian for each example, summed over examples. It
is fitted to other models than those that it is applied to, so that the AUC of equal populations is one half on average.

A model from which nothing was removed may have been trained on all data, as the originals, or on fewer, as retrained models. So
unlearned models give themselves away only if they are unlike both: the smaller of the two AUCs counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Metric, Population, probed
from harness_evaluators.common import bootstrap, control_and_noop, half_samples, likelihood_ratio, roc
from harness_evaluators.common.bootstrap import Linear
from harness_evaluators.common.control_and_noop import Description
from harness_evaluators.common.evidence_analysis import Analysis

Values = NDArray[np.float64]

OUTSIDER = Description(
    "outsider_auc",
    "closer_to_reference",
    "Unlearned models recognised by an outsider: AUC of someone who has the model after alone and tells it from retrained models "
    "and from originals by its confidences on test examples, fitted to other models; the smaller of both.",
    bounds=(0.0, 1.0),
    headline=True,
    distance=lambda values: np.abs(values - 0.5),
)
EXAMPLES = 512
FEWEST = 8
"""Fewest models: each fold needs a model of either kind, and the fit several."""
FOLDS = 4
SPLITS = 16
"""Random splits into folds that are averaged over."""
SPLITS_OF_HALVES = 4
"""The same for each half of the models, which has more noise of its own."""


@dataclass(frozen=True)
class _Sides:
    """Confidences (phi) of one population and of those that it is told from, shape (N, n) each.

    Attributes:
        own: the models that may give themselves away.
        retrained: retrained models.
        originals: originals; of unlearned models, each that of the same row.
        paired: whether they are those of the same rows.
    """

    own: Values
    retrained: Values
    originals: Values
    paired: bool


def metric(analysis: Analysis) -> tuple[Metric, tuple[str, ...]]:
    """Return the metric, and a warning if it could not be computed."""
    models = analysis.models
    if why_not := models.why_not("test"):
        return control_and_noop.missing(OUTSIDER, why_not), ()
    rows = _rows(analysis)
    if "unlearned" not in rows:
        why_not = f"Not computed: it needs {FEWEST} models of each population."
        return control_and_noop.missing(OUTSIDER, why_not), (f"difference: {OUTSIDER.name}: {why_not}",)
    resamples = bootstrap.resamples(models.evidence, models.sizes())
    statistics = {row: recognised(sides, models.evidence.rng(f"outsider-{row}")) for row, sides in rows.items()}
    found = control_and_noop.metric(OUTSIDER, control_and_noop.rows_of(statistics, resamples))
    return (found if found.interval else replace(found, note=half_samples.FEW)), ()


def _rows(analysis: Analysis) -> dict[str, _Sides]:
    """Return unlearned and control models with the others, where there are enough."""
    order, evidence = analysis.models.order, analysis.evidence
    chosen = probed(len(evidence.labels["test"]), EXAMPLES)
    if min(len(order[name]) for name in ("unlearned", "retrained", "original")) < FEWEST:
        return {}

    def of(name: Population, numbers: NDArray[np.int64]) -> Values:
        return analysis.phi(name, "test")[numbers][:, chosen]

    retrained = of("retrained", order["retrained"])
    own = evidence.unlearned_from[order["unlearned"]]
    rows = {"unlearned": _Sides(of("unlearned", order["unlearned"]), retrained, of("original", own), paired=True)}
    if len(order["control"]) >= FEWEST:
        originals = of("original", order["original"])
        rows["control"] = _Sides(of("control", order["control"]), retrained, originals, paired=False)
    return rows


def recognised(sides: _Sides, rng: np.random.Generator) -> Linear:
    """Return the smaller AUC between whole models, with its noise from halves of the models."""
    seed = int(rng.integers(2**32))

    def of_halves(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> Values:
        own = np.random.default_rng([seed, *np.flatnonzero(left)])
        originals = sides.originals[left if sides.paired else right[: len(sides.originals)]]
        half = _Sides(sides.own[left], sides.retrained[right], originals, sides.paired)
        return np.array([_smaller(half, SPLITS_OF_HALVES, own)])

    noise = half_samples.deviations((len(sides.own), len(sides.retrained)), of_halves)
    return Linear(_smaller(sides, SPLITS, rng), deviations=None if noise is None else noise[:, 0])


def _smaller(sides: _Sides, splits: int, rng: np.random.Generator) -> float:
    retrained = _auc(sides.own, sides.retrained, splits, rng, paired=False)
    return min(retrained, _auc(sides.own, sides.originals, splits, rng, paired=sides.paired))


def _auc(left: Values, right: Values, splits: int, rng: np.random.Generator, *, paired: bool) -> float:
    """Return the AUC, within folds, averaged over folds and over random splits into folds; pairs stay in one fold."""
    count, found = min(FOLDS, len(left) // 2, len(right) // 2), []
    for _ in range(splits):
        mine = likelihood_ratio.fold_numbers(len(left), count, rng)
        theirs = mine if paired else likelihood_ratio.fold_numbers(len(right), count, rng)
        scored = likelihood_ratio.cross_fit(left, right, mine, theirs)
        found += [roc.auc(np.sort(one.left.sum(axis=1)), np.sort(one.right.sum(axis=1))) for one in scored]
    return float(np.mean(found))
