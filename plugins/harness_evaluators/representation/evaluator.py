"""``representation``: what the features of the models retain of the forget set, whatever the last layer makes of them.

Formulas and sources: :mod:`harness_evaluators.representation.refit`, :mod:`harness_evaluators.representation.similarity` and
:mod:`harness_evaluators.representation.pairs`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Metric, Result, SplitName, hookimpl, probed
from harness_evaluators.common import bootstrap, control_and_noop, finite, gap_metrics
from harness_evaluators.common.bootstrap import Linear, Resamples
from harness_evaluators.common.control_and_noop import Description, Rows
from harness_evaluators.common.evidence_analysis import Analysis, Models
from harness_evaluators.common.probe_rows import ROWS, ProbeRows
from harness_evaluators.representation import memory, pairs, refit, similarity

Values = NDArray[np.float64]
Singles = NDArray[np.float32]
Embedding = Callable[[Singles], Singles]

PROBE = "features"
AT = "@"
"""Separates split and layer in the names of the probe's arrays."""
FEWEST_EXAMPLES = 8
"""Fewest examples for a comparison of features."""
_HEAD = "with a new linear head, fitted to the frozen features of retained examples"

REFIT_PHI = Description(
    "refit_phi",
    "closer_to_reference",
    f"Mean logit-scaled confidence in the true class of forgotten examples {_HEAD}: above the control, the features remember "
    "what the last layer may hide.",
    distance=np.abs,
)
REFIT_ACCURACY = Description(
    "refit_accuracy",
    "closer_to_reference",
    f"Share of forgotten examples classified correctly {_HEAD}.",
    unit="share",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
REFIT_TEST = Description(
    "refit_test",
    "closer_to_reference",
    f"Share of test examples classified correctly {_HEAD}.",
    unit="share",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
REFIT_GAIN = Description(
    "refit_gain",
    "closer_to_reference",
    "refit_accuracy less the share that the model itself classifies correctly, of the same examples: above the control, the "
    "last layer hides what the features know.",
    bounds=(-1.0, 1.0),
    distance=np.abs,
)
_BESIDE = "; two retrained models differ as well, so read it beside the control."
_CKA = "Linear centred kernel alignment of the features of an unlearned and a retrained model, on the"
_KNN = "Share of the ten nearest neighbours in feature space that an unlearned and a retrained model have in common, on the"
_EXCESS = "squared distance of the mean embeddings of unlearned and retrained models, 0 for equal populations"


def _similar(name: str, text: str) -> Description:
    return Description(name, "closer_to_reference", text, bounds=(-1.0, 1.0))


def _distance(name: str, text: str, *, headline: bool = False) -> Description:
    return Description(name, "lower", text, headline=headline)


PAIRED: Mapping[str, tuple[str, Embedding, Description, Description]] = {
    "cka_forget": (
        "forget",
        similarity.alignment,
        _similar("cka_forget", f"{_CKA} forget set{_BESIDE}"),
        _distance("cka_excess", f"By cka_forget: {_EXCESS}.", headline=True),
    ),
    "cka_test": (
        "test",
        similarity.alignment,
        _similar("cka_test", f"{_CKA} test set{_BESIDE}"),
        _distance("cka_excess_test", f"By cka_test: {_EXCESS}."),
    ),
    "knn_forget": (
        "forget",
        similarity.neighbours,
        _similar("knn_forget", f"{_KNN} forget set{_BESIDE}"),
        _distance("knn_excess", f"By knn_forget: {_EXCESS}."),
    ),
    "knn_test": (
        "test",
        similarity.neighbours,
        _similar("knn_test", f"{_KNN} test set{_BESIDE}"),
        _distance("knn_excess_test", f"By knn_test: {_EXCESS}."),
    ),
}
ON_HEAD = (REFIT_PHI, REFIT_ACCURACY, REFIT_GAIN, REFIT_TEST)
ALL = (memory.FEATURE_MEMORY, *ON_HEAD, *(about for one in PAIRED.values() for about in one[:1:-1]))
LAST = "what the last layer reads"
NO_HEAD = "Not computed: the network's last layer is not linear with an output for each class."


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="representation",
        version="1",
        summary="What features retain of the forget set: a new linear head, CKA and nearest neighbours against retrained models",
        evaluate=evaluate,
        source="arXiv 2604.08271; Kornblith et al. 2019 (arXiv 1905.00414); Huh et al. 2024 (arXiv 2405.07987)",
        probes=(PROBE,),
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Compare features of the populations' models, and fit new heads to them."""
    features = _Features(analysis.models)
    if why_not := features.why_not():
        missing = tuple(control_and_noop.missing(about, why_not) for about in ALL)
        return Result(missing, warnings=(f"representation: {why_not}",))
    resamples = bootstrap.resamples(analysis.evidence, features.sizes())
    rows: dict[Description, Rows] = {}
    metrics = [*_refitted(features, resamples, rows)]
    for split, embedding, likeness, excess in PAIRED.values():
        metrics += _paired(features, split, embedding, (excess, likeness), resamples, rows)
    for layer in features.layers():
        metrics += _layer(features, layer, resamples, rows)
    heads = {REFIT_PHI: LAST, **{_names(features, layer)[0]: layer for layer in features.layers()}}
    metrics.insert(0, memory.metric({layer: rows[about] for about, layer in heads.items() if about in rows}))
    warnings = control_and_noop.warnings("representation", analysis.models, rows)
    return Result(tuple(metrics), control_and_noop.position_intervals(rows), warnings)


class _Features(ProbeRows):
    """The features of the models that take part, in order."""

    def __init__(self, models: Models) -> None:
        super().__init__(models, PROBE, "features")

    def layers(self) -> dict[str, str]:
        """Return the probe's array by layer, of layers before the last."""
        names = (name for name in self.arrays.get("retrained", {}) if name.startswith(f"forget{AT}"))
        layers = {name.partition(AT)[2]: name for name in names}
        return dict(sorted(layers.items(), key=lambda one: _in_order(one[0])))

    def places(self, split: SplitName, of: Mapping[str, Singles]) -> NDArray[np.int64]:
        """Return the positions in the split of the examples in an array of the probe."""
        return probed(len(self.evidence.labels[split]), of["retrained"].shape[1])

    def labels(self, split: SplitName, of: Mapping[str, Singles]) -> NDArray[np.int64]:
        """Return the classes of the examples in an array of the probe."""
        return self.evidence.labels[split][self.places(split, of)]

    def hits(self, row: str, classes: NDArray[np.int64]) -> Values:
        """Return the share of the probe's forgotten examples of some classes that a model classifies correctly, shape (N,)."""
        places = self.places("forget", self.of("forget"))
        chosen = places[np.isin(self.evidence.labels["forget"][places], classes)]
        hits = self.models.analysis.hits(ROWS[row], "forget")
        return np.asarray(hits[self.order[row]][:, chosen].mean(axis=1), dtype=np.float64)


def _in_order(layer: str) -> list[tuple[int, str]]:
    """Return a key that sorts names of layers by their numbers, "2" before "10": stored arrays are sorted as texts."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", layer)]


def _heads(
    features: _Features, retain: Mapping[str, Singles], judged: Mapping[str, Singles], split: SplitName
) -> dict[str, refit.Refit] | None:
    """Return the results of new heads on a split by row; None if no example can be judged."""
    if not retain or not judged:
        return None
    labels, own = features.labels("retain", retain), features.labels(split, judged)
    if not np.isin(own, refit.learned(labels)).any():
        return None
    return {row: refit.refit(retain[row], labels, judged[row], own) for row in judged}


def _refitted(features: _Features, resamples: Resamples, rows: dict[Description, Rows]) -> list[Metric]:
    """Return the metrics of the new heads on what the last layer reads."""
    retain = features.of("retain")
    note = _unlearnable(features, retain)
    forget, test = (_heads(features, retain, features.of(split), split) for split in ("forget", "test"))
    if forget is None:
        made = [control_and_noop.missing(about, note or NO_HEAD) for about in ON_HEAD[:-1]]
    else:
        hits = {row: features.hits(row, refit.learned(features.labels("retain", retain))) for row in forget}
        values = {
            REFIT_PHI: {row: one.phi for row, one in forget.items()},
            REFIT_ACCURACY: {row: one.accuracy for row, one in forget.items()},
            REFIT_GAIN: {row: one.accuracy - hits[row] for row, one in forget.items()},
        }
        rows[REFIT_PHI] = gap_metrics.gaps(values[REFIT_PHI], resamples)
        made = [gap_metrics.metric(replace(about, note=note), one, resamples) for about, one in values.items()]
    if test is None:
        why_not = NO_HEAD if not retain else "Not computed: there are no features of test examples of retained classes."
        return [*made, control_and_noop.missing(REFIT_TEST, why_not)]
    on_test = {row: one.accuracy for row, one in test.items()}
    # Retraining hardly changes the accuracy of new heads on the test set, so that a position would be noise.
    return [*made, replace(gap_metrics.metric(REFIT_TEST, on_test, resamples), position=None)]


def _unlearnable(features: _Features, retain: Mapping[str, Singles]) -> str:
    """Return a note if a new head cannot learn some classes of the forget set, because they are not retained."""
    if not retain:
        return ""
    learned = refit.learned(features.labels("retain", retain))
    missing = np.setdiff1d(features.evidence.labels["forget"], learned)
    if not len(missing):
        return ""
    names = features.evidence.class_names
    shown = ", ".join(names[label] if names else str(label) for label in missing[:3])
    whole = not np.isin(features.evidence.labels["forget"], learned).any()
    text = f"o new head for classes with fewer than {refit.FEWEST} retained examples: {shown}."
    return f"Not computed: n{text}" if whole else f"N{text}"


def _names(features: _Features, layer: str) -> tuple[Description, Description, Description]:
    """Return the metrics of a layer; its place is part of their names, because names of modules may be equal as words."""
    place = list(features.layers()).index(layer) + 1
    name = f"layer_{place}_{re.sub(r'[^a-z0-9]+', '_', layer.lower())}".strip("_")
    of = f"of the outputs of the layer {layer}, averaged over positions."
    head = replace(REFIT_PHI, name=f"refit_phi_{name}", text=f"As refit_phi, {of}")
    excess = _distance(f"cka_excess_{name}", f"As cka_excess, {of}")
    return head, excess, _similar(f"cka_forget_{name}", f"As cka_forget, {of}")


def _layer(features: _Features, layer: str, resamples: Resamples, rows: dict[Description, Rows]) -> list[Metric]:
    """Return the metrics of a layer before the last."""
    about, excess, likeness = _names(features, layer)
    retain, forget = (features.of(f"{split}{AT}{layer}") for split in ("retain", "forget"))
    found = _heads(features, retain, forget, "forget")
    if found is None:
        made = [control_and_noop.missing(about, _unlearnable(features, retain) or NO_HEAD)]
    else:
        values = {row: one.phi for row, one in found.items()}
        rows[about] = gap_metrics.gaps(values, resamples)
        made = [gap_metrics.metric(about, values, resamples)]
    return [*made, *_paired(features, f"forget{AT}{layer}", similarity.alignment, (excess, likeness), resamples, rows)]


def _paired(
    features: _Features,
    array: str,
    embedding: Embedding,
    about: tuple[Description, Description],
    resamples: Resamples,
    rows: dict[Description, Rows],
) -> list[Metric]:
    """Return the distance of populations and the mean similarity of pairs, by one kind of similarity."""
    found = features.of(array)
    excess, likeness = about
    if not found:
        why_not = NO_HEAD if AT not in array else "Not computed: there are no outputs of this layer."
        return [control_and_noop.missing(one, why_not) for one in about]
    count = found["retrained"].shape[1]
    if count < FEWEST_EXAMPLES:
        why_not = f"Not computed: {count} examples; a comparison of features needs {FEWEST_EXAMPLES}."
        return [control_and_noop.missing(one, why_not) for one in about]
    chosen = similarity.used(count)
    names, sizes = list(found), [len(one) for one in found.values()]
    both = similarity.between(np.concatenate([embedding(one[:, chosen]) for one in found.values()]))
    parts = dict(zip(names, np.split(np.arange(len(both)), np.cumsum(sizes)[:-1]), strict=True))
    right = parts["retrained"]
    likes: dict[str, Linear] = {}
    gaps: dict[str, Linear] = {}
    for row in (one for one in names if one != "retrained"):
        left = parts[row]
        likes[row] = pairs.across(both[np.ix_(left, right)])
        gaps[row] = pairs.distance(both[np.ix_(left, left)], both[np.ix_(left, right)], both[np.ix_(right, right)])
    rows[excess] = control_and_noop.rows_of(gaps, resamples)
    like = control_and_noop.metric(likeness, control_and_noop.rows_of(likes, resamples))
    # Confident models can be nearer to retrained ones than these to each other, so that the mean has no position.
    return [control_and_noop.metric(excess, rows[excess]), replace(like, position=None)]
