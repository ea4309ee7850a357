"""The plots of a report's page: built-in ones, and those selected by the names of any evaluator's arrays.

- ``<name>_unlearned``, ``<name>_control``, ``<name>_noop`` (each 1-D) are drawn as histograms of one figure. Excluded are
  names that end in ``_per_class``, ``_per_model`` or ``_per_stratum`` (a value per class, model or stratum) and p-values
  (``p``), which repeat their statistic.
- If ``roc_fpr`` and ``roc_tpr_<population>`` exist, they are drawn as ROC curves, true against false positive rate.
- ``memory_<condition>`` metrics of ``durability`` are drawn by condition, over the band of the control.
- ``refit_phi`` metrics of ``representation`` are drawn by layer.
- ``<population>_delta`` of ``joint`` is drawn against epsilon.
- ``remaining_per_class_<population>`` of ``class_forgetting`` is drawn by class.
- ``distance`` metrics of ``difference`` are drawn by part, and ``<population>_on_line_<split>`` as lines.
- ``d_<population>`` of ``ks`` is drawn sorted by size, over the band of ``d_null_quantiles``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.report.document import EvaluatorRecord, Report
from harness.report.strata import STRATA
from harness.report.svg.attack_figures import delta, taken_for
from harness.report.svg.difference_figures import difference
from harness.report.svg.figure import Figure, Missing, missing
from harness.report.svg.model_figures import accuracies, model_parts, phases, times, trade_off
from harness.report.svg.plots import Series, Values, fences, histogram, ranked, roc
from harness.report.svg.recovery_figure import recovery
from harness.report.svg.representation_figure import representation
from harness.report.svg.strata_plot import strata_figure
from harness.report.words import plain

KINDS = ("control", "noop", "unlearned")  # drawn in this order, the plugin's on top
NOT_DRAWN = ("_per_class", "_per_model", "_per_stratum")
P_VALUES = "p"
ROC_X, ROC_Y = "roc_fpr", "roc_tpr"
KS, DISTANCE, NULL = "ks", "d", "d_null_quantiles"
ROUNDING = 1e-9  # tolerance for equal distances
SHORT = {"control": "control", "noop": "no-op", "unlearned": "this plugin"}


@dataclass(frozen=True)
class Words:
    """Texts of a histogram: title, axis label with unit, caption, and the value that represents infinity."""

    title: str
    axis: str
    caption: str
    cap: float = np.inf


CAP = 50.0  # epsilon of an attack without errors, by the challenge's rule
_EPSILON = "The larger, the better an attack tells unlearned from retrained models on this example: lower is better."
WORDS = {  # by evaluator and array; other histograms are named after their arrays
    ("forgetting_quality", "epsilon_official"): Words(
        "Epsilon by example, the challenge's attacks", "epsilon", _EPSILON, CAP
    ),
    ("forgetting_quality", "epsilon_exact"): Words("Epsilon by example, all thresholds", "epsilon", _EPSILON, CAP),
    ("lira", "shift"): Words(
        "Change of confidence per forgotten example",
        "shift, standard deviations of retrained models",
        "Above 0: more confident than retrained models, too little forgotten. Below 0: too much.",
    ),
    ("collateral", "shift"): Words(
        "Change of confidence per retained example",
        "shift, standard deviations of retrained models",
        "Above 0: more confident than retrained models, so the retained example is more exposed. Below 0: less.",
    ),
    ("klom", "kl"): Words(
        "KL divergence of margins per forgotten example",
        "divergence from retrained models, nats",
        "Lower is better; even retrained models do not reach 0, because their number is finite.",
    ),
    ("variance", "variance"): Words(
        "Variance of confidence by forgotten example",
        "variance of the confidence (logit) over models",
        "A correct method varies as much as retraining does.",
    ),
}
ROC_TITLE = "ROC of the likelihood-ratio attack"
KS_TITLE = "Kolmogorov-Smirnov distance by forgotten example"


def figures(report: Report) -> list[Figure | Missing]:
    """Return all plots of the page in order; a plot without data is replaced by the reason."""
    first: list[Figure | Missing] = [trade_off(report), _curve(report), *_epsilons(report), _ks(report)]
    first += [strata_figure(report)] if report.evaluator(STRATA) else []
    rest = [figure for one in report.evaluators for figure in _of_evaluator(one, report.task.class_names or ())]
    last = [accuracies(report), times(report), model_parts(report), phases(report)]
    return [*first, *rest, *(one for one in last if one is not None)]


def _curve(report: Report) -> Figure | Missing:
    record = report.evaluator("lira")
    return (record and _roc(record)) or missing(ROC_TITLE, report, "lira")


def _epsilons(report: Report) -> list[Figure | Missing]:
    record = report.evaluator("forgetting_quality")
    named = [(stem, words) for (name, stem), words in WORDS.items() if name == "forgetting_quality"]
    made = [record and _histogram(record, stem) for stem, _ in named]
    if any(made):
        return [figure for figure in made if figure]
    return [missing("Epsilon by example", report, "forgetting_quality")]


def _of_evaluator(record: EvaluatorRecord, class_names: Sequence[str]) -> list[Figure]:
    """Return histograms of arrays not drawn elsewhere, and ROC curves of evaluators other than ``lira``."""
    stems = dict.fromkeys(name.rpartition("_")[0] for name in record.arrays if name.rpartition("_")[2] in KINDS)
    made = [_histogram(record, stem) for stem in stems if stem != ROC_Y and not _elsewhere(record.name, stem)]
    made += [recovery(record), representation(record), delta(record), taken_for(record, class_names)]
    made += difference(record)
    made += [_roc(record)] if ROC_Y in stems and record.name != "lira" else []
    return [figure for figure in made if figure is not None]


def _elsewhere(evaluator: str, stem: str) -> bool:
    if not stem or stem == P_VALUES or stem.endswith(NOT_DRAWN):
        return True
    return (evaluator == "forgetting_quality" and (evaluator, stem) in WORDS) or (evaluator, stem) == (KS, DISTANCE)


def _series(record: EvaluatorRecord, stem: str) -> list[Series]:
    named = ((kind, record.arrays.get(f"{stem}_{kind}")) for kind in KINDS)
    arrays = [(kind, np.asarray(values, dtype=np.float64)) for kind, values in named if values]
    return [Series(kind, values) for kind, values in arrays if values.ndim == 1]


def _histogram(record: EvaluatorRecord, stem: str) -> Figure | None:
    series = _series(record, stem)
    if not series:
        return None
    named = plain(stem.replace("_", " "))
    words = WORDS.get((record.name, stem)) or Words(f"{plain(record.name)}: {named}", named, "")
    parts = (words.caption, "Perfect unlearning looks like the control.", _beyond(series, words.cap))
    caption = " ".join(part for part in parts if part)
    return Figure(
        words.title, histogram(series, words.axis, words.title, words.cap), caption, tuple(one.kind for one in series)
    )


def _beyond(series: list[Series], cap: float) -> str:
    """Describe the values that the plot counts in separate bins."""
    pooled = np.concatenate([one.values for one in series])
    low, high = fences(pooled, cap)
    outside = pooled[(pooled < low) | (pooled > high)]
    if not outside.size:
        return ""
    if outside.min() >= cap:
        return f"The bin at the edge counts {cap:g}, the value of an attack without errors."
    return f"Outliers are counted in bins at the edges; the farthest is {outside[np.abs(outside).argmax()]:.3g}."


def _roc(record: EvaluatorRecord) -> Figure | None:
    rates = np.asarray(record.arrays.get(ROC_X, []), dtype=np.float64)
    series = [one for one in _series(record, ROC_Y) if one.values.shape == rates.shape]
    if not series or not 0 < rates.min() < 1 or rates.max() > 1:
        return None
    title = ROC_TITLE if record.name == "lira" else f"ROC of the attack ({plain(record.name)})"
    caption = (
        "Unlearned models detected (true positives) against retrained ones mistaken for them (false positives). The closer to "
        "chance, the weaker the attack; perfect unlearning looks like the control. A curve begins where it leaves 0."
    )
    return Figure(title, roc(rates, series, title), caption, (*(one.kind for one in series), "mark"))


def _ks(report: Report) -> Figure | Missing:
    record = report.evaluator(KS)
    series = _series(record, DISTANCE) if record else []
    if record is None or not series:
        return missing(KS_TITLE, report, KS)
    band, source = _band(record, series)
    if band is None:
        return missing(KS_TITLE, report, KS)
    above = ", ".join(
        f"{int((one.values > band[2] + ROUNDING).sum())} of {one.values.size} ({SHORT[one.kind]})" for one in series
    )
    caption = (
        "Distance between the confidences of unlearned and retrained models; 0: equal, 1: no overlap; lower is better. "
        f"Each curve is sorted separately. The band contains 95 % of examples under the null hypothesis ({source}), the dotted "
        f"line is the median. Above the band: {above}."
    )
    return Figure(KS_TITLE, ranked(series, band, KS_TITLE), caption, (*(one.kind for one in series), "band"))


def _band(record: EvaluatorRecord, series: list[Series]) -> tuple[tuple[float, float, float] | None, str]:
    """Return the null distribution's 2.5 %, 50 % and 97.5 % quantiles of one example's distance, and their source."""
    exact = np.asarray(record.arrays.get(NULL, []), dtype=np.float64)
    if exact.shape == (3,):
        return _three(exact), "exact, for this number of models"
    control = next((one.values for one in series if one.kind == "control"), None)
    if control is None:
        return None, ""
    return _three(
        np.quantile(control, (0.025, 0.5, 0.975))
    ), "estimated from the control; newer reports have exact quantiles"


def _three(values: Values) -> tuple[float, float, float]:
    low, middle, high = map(float, values)
    return low, middle, high
