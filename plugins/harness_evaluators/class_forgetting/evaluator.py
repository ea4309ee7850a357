"""``class_forgetting``: attacks on models that were to forget whole classes; null for every other forget set.

Formulas: :mod:`harness_evaluators.class_forgetting.classes`. Sources: Ebrahimpour-Boroojeny, Wang and Sundaram, "Unlearning Isn't
Forgetting" (2026), whose class membership inference attack uses the probabilities of similar classes; Zheng et al.,
"Classification-Head Bias in Class-Level Machine Unlearning" (2026), who find methods that only lower the bias of the forgotten
class; Zheng et al., "Label Leakage Attacks in Machine Unlearning" (2026), who name the removed class, from weights and by
inversion. Ours need outputs alone, and every number stands beside retrained models of other seeds, which never saw the class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Evidence, Metric, Population, Result, SplitName, hookimpl
from harness_evaluators.class_forgetting import classes as statistics
from harness_evaluators.class_forgetting.classes import Classes
from harness_evaluators.common import (
    bootstrap,
    control_and_noop,
    cross_fit_attack,
    example_sample,
    finite,
    gap_metrics,
    half_samples,
    likelihood_ratio,
    rank_scores,
)
from harness_evaluators.common.bootstrap import Resamples
from harness_evaluators.common.control_and_noop import Description
from harness_evaluators.common.evidence_analysis import Analysis, Models, Statistic

Values = NDArray[np.float64]
Rows = NDArray[np.int64]
Logits = NDArray[np.float32]

NO_CURVE = np.zeros(0)
ROWS = ("unlearned", "retrained", "control", "noop")

NEIGHBOUR_AUC = Description(
    "neighbour_auc",
    "lower",
    "How well an attack tells unlearned from retrained models by the class most similar to a forgotten one: likelihood-ratio "
    "attack on its log-odds among the remaining classes, on inputs of the forgotten class; 0.5 is chance.",
    bounds=(0.0, 1.0),
)
NEIGHBOUR_SHARE = Description(
    "neighbour_share",
    "closer_to_reference",
    "Probability of the most similar class on inputs of a forgotten one, among the remaining classes, mean over inputs and "
    "models; retrained models spread it over similar classes.",
    unit="share",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
OUTSIDER_AUC = Description(
    "outsider_auc",
    "lower",
    "How well an outsider without any input of the forgotten class tells unlearned from retrained models: likelihood-ratio "
    "attack on the class's log-odds on test inputs of other classes; 0.5 is chance.",
    bounds=(0.0, 1.0),
)
HEAD_BIAS = Description(
    "head_bias",
    "closer_to_reference",
    "Bias of the head against a forgotten class: its logit less that of the other wrong classes, mean over test inputs of "
    "remaining classes and models; below retrained models' the class was suppressed, above it is still there.",
    unit="logit",
    distance=np.abs,
)
CLASS_NAMED = Description(
    "class_named",
    "closer_to_reference",
    "Share of models that name the forgotten class: their least probable class on test inputs is a forgotten one, so that an "
    "outsider can guess it; retrained models name it as well.",
    unit="share",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
METRICS = (NEIGHBOUR_AUC, NEIGHBOUR_SHARE, OUTSIDER_AUC, HEAD_BIAS, CLASS_NAMED)

_NO_TEST = "Not computed: the test set has no example of a remaining class."


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="class_forgetting",
        version="1",
        summary="Attacks on forgotten classes: similar classes, bias of the head, and which class was removed",
        evaluate=evaluate,
        source="Ebrahimpour-Boroojeny et al. 2026 (arXiv 2506.20893); Zheng et al. 2026 (arXiv 2605.08730, arXiv 2604.07386)",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Attack the forgotten classes; compute nothing if a class of the forget set remains in the retain set."""
    models, evidence = analysis.models, analysis.evidence
    classes = statistics.classes_of(evidence)
    if isinstance(classes, str):
        return Result(tuple(control_and_noop.missing(about, classes) for about in METRICS))
    if why_not := models.why_not("forget"):
        missing = tuple(control_and_noop.missing(about, why_not) for about in METRICS)
        return Result(missing, warnings=(f"class_forgetting: {why_not}",))
    resamples = bootstrap.resamples(evidence, models.sizes())
    neighbours = statistics.nearest(_retrained(models), evidence.labels["forget"], classes)
    on_inputs = _on_forgotten(models, classes, neighbours, resamples)
    metrics = (*on_inputs, *_on_others(models, classes, resamples))
    return Result(
        tuple(_with_names(one, evidence, classes, neighbours) for one in metrics), _arrays(models, classes, neighbours)
    )


def _retrained(models: Models) -> NDArray[np.float32]:
    return models.evidence.logits["retrained"]["forget"][models.order["retrained"]]


def _on_forgotten(models: Models, classes: Classes, neighbours: Rows, resamples: Resamples) -> tuple[Metric, ...]:
    """Return the metrics on inputs of the forgotten classes."""
    nearest = neighbours[np.searchsorted(classes.forgotten, models.evidence.labels["forget"])]
    column = np.searchsorted(classes.remaining, nearest)

    def odds(analysis: Analysis, population: Population, split: SplitName) -> Values:
        logits = analysis.evidence.logits[population][split]
        return statistics.by_model(logits, lambda one: statistics.neighbour_odds(one, nearest, classes))

    def share(analysis: Analysis, population: Population, split: SplitName) -> Values:
        def of(one: Logits) -> Values:
            shares = statistics.remaining_shares(one, classes)
            return np.asarray(shares[:, np.arange(len(column)), column].mean(axis=1))

        return statistics.by_model(analysis.evidence.logits[population][split], of)

    return (
        _attack(NEIGHBOUR_AUC, models, "forget", odds, resamples),
        gap_metrics.metric(NEIGHBOUR_SHARE, _per_model(models, "forget", share), resamples),
    )


def _on_others(models: Models, classes: Classes, resamples: Resamples) -> tuple[Metric, ...]:
    """Return the metrics on the test set; those without an input of a forgotten class use a sample of the others."""
    evidence, wanted = models.evidence, (OUTSIDER_AUC, HEAD_BIAS, CLASS_NAMED)
    if not models.has("test"):
        return tuple(control_and_noop.missing(about, _NO_TEST) for about in wanted)
    others = np.flatnonzero(np.isin(evidence.labels["test"], classes.remaining))
    if not len(others):
        return tuple(control_and_noop.missing(about, _NO_TEST) for about in wanted)
    chosen = example_sample.sample(evidence, "test", others)
    labels = evidence.labels["test"]

    def odds(analysis: Analysis, population: Population, split: SplitName) -> Values:
        logits = analysis.evidence.logits[population][split][:, chosen]
        return statistics.by_model(logits, lambda one: statistics.forgotten_odds(one, classes))

    def bias(analysis: Analysis, population: Population, split: SplitName) -> Values:
        logits = analysis.evidence.logits[population][split][:, chosen]
        return statistics.by_model(logits, lambda one: statistics.head_bias(one, labels[chosen], classes))

    def named(analysis: Analysis, population: Population, split: SplitName) -> Values:
        logits = analysis.evidence.logits[population][split]
        return statistics.by_model(logits, lambda one: statistics.named(one, labels, classes))

    chance = len(classes.forgotten) / (len(classes.forgotten) + len(classes.remaining))
    guessed = gap_metrics.metric(CLASS_NAMED, _per_model(models, "test", named), resamples)
    return (
        _attack(OUTSIDER_AUC, models, "test", odds, resamples),
        gap_metrics.metric(HEAD_BIAS, _per_model(models, "test", bias), resamples),
        replace(guessed, note=f"A random guess: {chance:.4f}. {guessed.note}"),
    )


def _per_model(models: Models, split: SplitName, statistic: Statistic) -> Mapping[str, Values]:
    """Return a statistic of every model, shape (N,), by row of the report."""
    panel = models.panel(split, statistic)
    rows = {row: getattr(panel, row) for row in ROWS}
    return {row: values for row, values in rows.items() if values is not None}


def _attack(about: Description, models: Models, split: SplitName, statistic: Statistic, resamples: Resamples) -> Metric:
    """Return the AUC of the likelihood-ratio attack on a statistic of models and examples, shape (N, n)."""
    pairs = models.panel(split, statistic).comparisons()
    sizes = [len(side) for pair in pairs.values() for side in pair]
    n_folds = likelihood_ratio.fold_count(pairs["unlearned"][0].shape[1], *sizes)
    repeats, found = cross_fit_attack.repeats_for(n_folds), {}
    for row, (left, right) in pairs.items():
        rng = models.evidence.rng(f"class-forgetting-{about.name}")
        where = cross_fit_attack.splits((len(left), len(right)), n_folds, repeats, rng)
        found[row] = cross_fit_attack.attack(*rank_scores.normal_scores(left, right), where, NO_CURVE, rng).numbers[
            "auc"
        ]
    metric = control_and_noop.metric(about, control_and_noop.rows_of(found, resamples))
    return replace(metric, note=half_samples.FEW) if metric.interval is None else metric


def _with_names(metric: Metric, evidence: Evidence, classes: Classes, neighbours: Rows) -> Metric:
    """Return the metric with a note on the forgotten classes and those most similar to them."""
    names = evidence.class_names or tuple(str(label) for label in range(evidence.n_classes))
    pairs = [
        f"{names[label]} (most similar: {names[near]})"
        for label, near in zip(classes.forgotten, neighbours, strict=True)
    ]
    which = pairs[0] if len(pairs) == 1 else f"{len(pairs)} classes, among them {pairs[0]}"
    return replace(metric, note=f"Forgotten: {which}. {metric.note}".strip())


def _arrays(models: Models, classes: Classes, neighbours: Rows) -> dict[str, Values]:
    """Return the classes, and the mean probability of each remaining class on inputs of the forgotten ones."""

    def shares(analysis: Analysis, population: Population, split: SplitName) -> Values:
        logits = analysis.evidence.logits[population][split]
        return statistics.by_model(logits, lambda one: statistics.remaining_shares(one, classes).mean(axis=1))

    found = _per_model(models, "forget", shares)
    arrays = {
        "forgotten_classes": classes.forgotten,
        "nearest_classes": neighbours,
        "remaining_classes": classes.remaining,
    }
    made = {name: values.astype(np.float64) for name, values in arrays.items()}
    return made | {f"remaining_per_class_{row}": values.mean(axis=0) for row, values in found.items()}
