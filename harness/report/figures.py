"""Which plots a report's page shows: found by the names of the evaluators' arrays, so that any evaluator may have some.

- ``<name>_unlearned``, ``<name>_control``, ``<name>_noop`` (each 1-D) are drawn as histograms of one figure, but for names
  that end in ``_per_class``, which hold a value per class;
- where ``roc_fpr`` and ``roc_tpr_<population>`` are there, as ROC curves, false against true positive rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.outcomes import Status
from harness.report.model import EvaluatorRecord, ModelRecord, Report
from harness.report.plots import Bar, Series, bars, histogram, log_curves
from harness.report.words import STATUS_WORDS, duration

KINDS = ("control", "noop", "unlearned")  # drawn in this order, the plugin's on top
PER_CLASS = "_per_class"
ROC_X, ROC_Y = "roc_fpr", "roc_tpr"


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
        if stem and not stem.endswith(PER_CLASS)
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
    words = stem.replace("_", " ")
    title = f"{record.name}: {words}"
    caption = "Each line is one population's histogram. Perfect unlearning looks like the control."
    return Figure(title, histogram(series, words, title), caption, tuple(one.kind for one in series))


def _roc(record: EvaluatorRecord) -> Figure | None:
    x = np.asarray(record.arrays.get(ROC_X, []), dtype=np.float64)
    series = [one for one in _series(record, ROC_Y) if one.values.shape == x.shape]
    if not series or not 0 < x.min() < 1:
        return None
    title = f"{record.name}: ROC of the attack"
    labels = ("false positive rate", "true positive rate")
    caption = "The nearer to the diagonal, the less the attack can tell. Perfect unlearning looks like the control."
    svg = log_curves(x, series, labels, title)
    return Figure(title, svg, caption, tuple(one.kind for one in series))


def _times(report: Report) -> Figure:
    charged = [(model, model.charged_s) for model in report.models if model.charged_s is not None]
    items = [Bar(model.index, seconds, model.status is Status.OK, _hint(model)) for model, seconds in charged]
    limit = report.budget.limit_s
    caption = "Seconds charged to each model." + (
        "" if limit is None else f" The line is the limit, {duration(limit)}."
    )
    title = "Time per model"
    return Figure(title, bars(items, limit, title), caption)


def _hint(model: ModelRecord) -> str:
    return f"model {model.index}: {duration(model.charged_s)}, {STATUS_WORDS[model.status]}"
