"""Which plots a report's page shows: found by the names of the evaluators' arrays, so that any evaluator may have some.

- ``<name>_unlearned``, ``<name>_control``, ``<name>_noop`` (each 1-D) are drawn as histograms of one figure, but for names
  that end in ``_per_class``, which hold a value per class, and p-values (``p``), which say what their statistic says;
- where ``roc_fpr`` and ``roc_tpr_<population>`` are there, as ROC curves, false against true positive rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.report.model import EvaluatorRecord, ModelRecord, Report
from harness.report.plots import Bar, Series, bars, fences, histogram, log_curves
from harness.report.words import STATUS_WORDS, duration

KINDS = ("control", "noop", "unlearned")  # drawn in this order, the plugin's on top
PER_CLASS, P_VALUES = "_per_class", "p"
ROC_X, ROC_Y = "roc_fpr", "roc_tpr"


@dataclass(frozen=True)
class Words:
    """A histogram's words: title, label of the axis with unit, and how to read it."""

    title: str
    axis: str
    caption: str


_EPSILON = "The larger, the better an attack tells unlearned from retrained models."
WORDS = {  # by evaluator and array; others are named after their arrays
    ("lira", "shift"): Words(
        "Change of confidence per forgotten example",
        "shift of confidence, standard deviations of retrained models",
        "Above 0: more confident than retrained models, too little forgotten. Below 0: too much.",
    ),
    ("ks", "d"): Words(
        "Kolmogorov-Smirnov distance per forgotten example",
        "distance of confidence, unlearned against retrained models",
        "At 1 the two never overlap. Even retrained models do not reach 0, for they are finitely many.",
    ),
    ("klom", "kl"): Words(
        "KL divergence of margins per forgotten example",
        "divergence from retrained models, nats",
        "Even retrained models do not reach 0, for they are finitely many.",
    ),
    ("forgetting_quality", "epsilon_official"): Words(
        "Epsilon per forgotten example, the challenge's attacks", "epsilon", _EPSILON
    ),
    ("forgetting_quality", "epsilon_exact"): Words(
        "Epsilon per forgotten example, all thresholds", "epsilon", _EPSILON
    ),
}


@dataclass(frozen=True)
class Figure:
    """A plot with its words.

    Attributes:
        title: what is shown.
        svg: the plot, safe to put into a page.
        caption: how to read it.
        kinds: populations shown, for the legend.
    """

    title: str
    svg: str
    caption: str
    kinds: tuple[str, ...] = ()


def figures(report: Report) -> list[Figure]:
    """All plots that the report has arrays for, and the models' times."""
    found = [figure for one in report.evaluators for figure in _of_evaluator(one)]
    return found + ([_times(report)] if any(model.charged_s is not None for model in report.models) else [])


def _of_evaluator(record: EvaluatorRecord) -> list[Figure]:
    stems = dict.fromkeys(name.rpartition("_")[0] for name in record.arrays if name.rpartition("_")[2] in KINDS)
    made = (
        _roc(record) if stem == ROC_Y else _histogram(record, stem)
        for stem in stems
        if stem and stem != P_VALUES and not stem.endswith(PER_CLASS)
    )
    return [figure for figure in made if figure is not None]


def _series(record: EvaluatorRecord, stem: str) -> list[Series]:
    named = ((kind, record.arrays.get(f"{stem}_{kind}")) for kind in KINDS)
    arrays = [(kind, np.asarray(values, dtype=np.float64)) for kind, values in named if values]
    return [Series(kind, values) for kind, values in arrays if values.ndim == 1]


def _histogram(record: EvaluatorRecord, stem: str) -> Figure | None:
    series = _series(record, stem)
    if not series:
        return None
    named = stem.replace("_", " ")
    words = WORDS.get((record.name, stem)) or Words(f"{record.name}: {named}", named, "")
    parts = (words.caption, "Perfect unlearning looks like the control.", _beyond(series))
    caption = " ".join(part for part in parts if part)
    return Figure(words.title, histogram(series, words.axis, words.title), caption, tuple(one.kind for one in series))


def _beyond(series: list[Series]) -> str:
    """What the reader must know of values that the plot holds in its outermost bins."""
    pooled = np.concatenate([one.values for one in series])
    low, high = fences(pooled)
    outside = pooled[(pooled < low) | (pooled > high)]
    if not outside.size:
        return ""
    return f"The outermost bin counts the values beyond it as well, which reach to {outside[np.abs(outside).argmax()]:.3g}."


def _roc(record: EvaluatorRecord) -> Figure | None:
    x = np.asarray(record.arrays.get(ROC_X, []), dtype=np.float64)
    series = [one for one in _series(record, ROC_Y) if one.values.shape == x.shape]
    if not series or not 0 < x.min() < 1:
        return None
    title = f"ROC of the attack ({record.name})"
    labels = ("false positive rate", "true positive rate")
    caption = "The nearer to the diagonal, the less the attack can tell. Perfect unlearning looks like the control."
    svg = log_curves(x, series, labels, title)
    return Figure(title, svg, caption, tuple(one.kind for one in series))


def _times(report: Report) -> Figure:
    charged = [(model, model.charged_s) for model in report.models if model.charged_s is not None]
    items = [Bar(model.index, seconds, model.status.finished, _hint(model)) for model, seconds in charged]
    limit = report.budget.limit_s
    caption = "Seconds charged to each model." + (
        "" if limit is None else f" The line is the limit, {duration(limit)}."
    )
    title = "Time per model"
    return Figure(title, bars(items, limit, title), caption)


def _hint(model: ModelRecord) -> str:
    return f"model {model.index}: {duration(model.charged_s)}, {STATUS_WORDS[model.status]}"
