"""``membership``: membership inference on single models, forgotten against unseen examples.

Formulas and sources: :mod:`harness_evaluators.membership.simple_mia`, :mod:`harness_evaluators.membership.threshold_mia`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Evidence, Metric, Population, Result, SplitName, hookimpl
from harness_evaluators.common import bootstrap, control_and_noop, evidence_analysis, example_sets, finite, gap_metrics
from harness_evaluators.common.control_and_noop import Description
from harness_evaluators.common.evidence_analysis import Analysis, Models
from harness_evaluators.membership import simple_mia, threshold_mia

Values = NDArray[np.float64]
PerModel = dict[str, Values]
SIDES: tuple[SplitName, ...] = ("forget", "test")

SIMPLE = Description(
    "simple_mia",
    "closer_to_reference",
    "Accuracy of the challenge's starting kit in distinguishing forgotten from unseen examples by one model's "
    "loss; 0.5 is chance; compare it with retrained models.",
    unit="share",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
_WORDS = {
    "confidence": "confidence",
    "entropy": "entropy",
    "modified_entropy": "modified entropy (Song and Mittal)",
}
_NO_THRESHOLDS = "Not computed: it needs originals, and classes that forget and test have in common."

THRESHOLDS = tuple(
    Description(
        f"{name}_mia",
        "closer_to_reference",
        f"Balanced accuracy in distinguishing forgotten from unseen examples of the same classes by one threshold per class on "
        f"the {_WORDS[name]}, fitted on originals other than the model's own and on other examples; below 0.5 forgotten ones "
        "look less like members than unseen ones.",
        unit="share",
        bounds=(0.0, 1.0),
        distance=np.abs,
    )
    for name in threshold_mia.FEATURES
)


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="membership",
        version="2",
        summary="Membership inference on single models: the starting kit's attack, and thresholds on (modified) entropy",
        evaluate=evaluate,
        source="Machine Unlearning Challenge starting kit 2023; Song and Mittal 2021 (arXiv 2003.10595)",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Attack every model separately, forgotten against test examples."""
    models = analysis.models
    why_not = models.why_none("forget") or models.why_none("test") or _too_few_examples(analysis.evidence)
    if why_not:
        missing = tuple(control_and_noop.missing(about, why_not) for about in (SIMPLE, *THRESHOLDS))
        return Result(missing, warnings=(f"membership: {why_not}",))
    resamples = bootstrap.resamples(analysis.evidence, models.sizes())
    found = {SIMPLE: _simple(models)} | _by_thresholds(models)
    metrics: list[Metric] = []
    for about in (SIMPLE, *THRESHOLDS):
        per_model = found.get(about)
        if per_model is None:
            metrics.append(control_and_noop.missing(about, _NO_THRESHOLDS))
        else:
            metrics.append(gap_metrics.metric(about, per_model, resamples))
    gaps = {about: gap_metrics.gaps(per_model, resamples) for about, per_model in found.items()}
    warnings = control_and_noop.warnings("membership", models, gaps)
    if models.same:
        warnings = (f"membership: {models.same}. The attacks below are on this one model.", *warnings)
    return Result(
        tuple(metrics),
        control_and_noop.position_intervals(gaps),
        (*warnings, *_other_classes(analysis.evidence), *example_sets.warning("membership", analysis.evidence)),
    )


def _too_few_examples(evidence: Evidence) -> str:
    sizes = {split: len(evidence.labels[split]) for split in ("forget", "test")}
    few = [f"{size} in {split}" for split, size in sizes.items() if size < simple_mia.MIN_EXAMPLES]
    return f"Not computed: {' and '.join(few)}; it needs {simple_mia.MIN_EXAMPLES} examples of each." if few else ""


def _by_row(models: Models, statistic: Callable[[Population], Values]) -> PerModel:
    """Return a per-model statistic, shape (N,), for every row that has enough models; models in order."""

    def ordered(population: Population) -> Values | None:
        return statistic(population) if len(models.order[population]) >= evidence_analysis.MIN_MODELS else None

    names: dict[str, Population] = {"unlearned": "unlearned", "retrained": "retrained", "control": "control"}
    rows = {row: ordered(population) for row, population in {**names, "noop": "original"}.items()}
    return {row: values for row, values in rows.items() if values is not None}


def _simple(models: Models) -> PerModel:
    """Run the starting kit's attack on every model, with new draws of examples and splits for each model of a population.

    The splits are of positions, and the same for all models; the examples at the positions are drawn.
    """
    evidence, rng = models.evidence, models.evidence.rng("simple-mia")
    sizes: dict[SplitName, int] = {split: len(evidence.labels[split]) for split in SIDES}
    size = min(sizes.values())
    most = max(map(len, models.order.values()))
    each = -(-simple_mia.DRAWS // max(1, min(len(models.order[name]) for name in ("unlearned", "retrained"))))
    splits = simple_mia.shuffle_splits(size, rng)
    drawn = {split: simple_mia.subsamples(evidence.ids[split], size, each * most, rng) for split in SIDES}

    def attack(population: Population) -> Values:
        rows = np.repeat(models.order[population], each)
        losses = {split: simple_mia.losses(models.analysis.phi(population, split)) for split in SIDES}
        unseen, forgotten = (losses[split][rows[:, None], drawn[split][: len(rows)]] for split in ("test", "forget"))
        return np.asarray(simple_mia.accuracies(unseen, forgotten, splits).reshape(-1, each).mean(axis=1))

    return _by_row(models, attack)


def _by_thresholds(models: Models) -> dict[Description, PerModel]:
    """Run the threshold attacks on every model; empty without originals or without common classes."""
    evidence = models.evidence
    examples = example_sets.matched(evidence, evidence.rng("threshold-mia"))
    shadows = models.order["original"]
    if examples is None or len(shadows) == 0:
        return {}
    folds = _folds(models)

    def scores(population: Population) -> list[Values]:
        order, logits = models.order[population], evidence.logits[population]
        sides = (("forget", examples.forgotten), ("test", examples.unseen))
        return [threshold_mia.features_of(logits[split], order, side.rows, side.labels) for split, side in sides]

    known, originals = folds["original"], scores("original")
    learned = [threshold_mia.learn(one, other, known, examples) for one, other in zip(*originals, strict=True)]

    def attack(population: Population) -> Values:
        sides = originals if population == "original" else scores(population)
        pairs = zip(*sides, learned, strict=True)
        judged = threshold_mia.balanced_accuracies
        return np.stack([judged(one, other, folds[population], limits, examples) for one, other, limits in pairs])

    found = _by_row(models, attack)
    return {about: {row: values[i] for row, values in found.items()} for i, about in enumerate(THRESHOLDS)}


def _folds(models: Models) -> dict[str, NDArray[np.int64]]:
    """Return fold 0 or 1 for each model in order, by population; an unlearned model has the fold of its original."""
    origins, shadows = models.evidence.unlearned_from, models.order["original"]
    of_original = np.zeros(1 + max(int(shadows.max()), int(origins.max(initial=0))), dtype=np.int64)
    of_original[shadows] = np.arange(len(shadows)) % 2
    folds: dict[str, NDArray[np.int64]] = {name: np.arange(len(order)) % 2 for name, order in models.order.items()}
    return folds | {"original": of_original[shadows], "unlearned": of_original[origins[models.order["unlearned"]]]}


def _other_classes(evidence: Evidence) -> tuple[str, ...]:
    """Return a warning if class shares differ between forget and test: the kit's attack then separates classes."""
    shares = [
        np.bincount(evidence.labels[split], minlength=evidence.n_classes) / len(evidence.labels[split])
        for split in ("forget", "test")
    ]
    if np.abs(shares[0] - shares[1]).sum() / 2 <= 0.1:
        return ()
    text = (
        "membership: the forget set holds classes in other shares than the test set, so that simple_mia may "
        "distinguish classes instead of members; compare it with the retrained models, not with 0.5."
    )
    return (text,)
