"""``interclass_confusion``: effects of mislabelled examples that remain after these were forgotten.

Source: Goel et al., "Towards Adversarial Evaluations for Inexact Machine Unlearning" (2022). Goel et al. compare with the
originals alone; here retrained models, which confuse similar classes as well, are the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Metric, Population, Result, SplitName, hookimpl
from harness_evaluators.common import bootstrap, control_and_noop, finite, gap_metrics
from harness_evaluators.common.bootstrap import Resamples
from harness_evaluators.common.control_and_noop import Description
from harness_evaluators.common.evidence_analysis import Analysis, Models, Statistic
from harness_evaluators.interclass_confusion import confusion
from harness_evaluators.interclass_confusion.confusion import Confused

Values = NDArray[np.float64]

MOST_CLASSES = 25
"""Most classes for which a confusion matrix is stored; larger ones would inflate the report."""

FORGET_WRONG = Description(
    "forget_wrong",
    "closer_to_reference",
    "Share still given the wrong label: memorisation, of mislabelled forgotten examples, mean over models; "
    "compare it with retrained models, which never saw the label.",
    unit="share",
    bounds=(0.0, 1.0),
    headline=True,
    distance=np.abs,
)
FORGET_TRUE = Description(
    "forget_true",
    "closer_to_reference",
    "Share given the true class: of mislabelled forgotten examples, mean over models; compare it with "
    "retrained models.",
    unit="share",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
TEST_CONFUSION = Description(
    "test_confusion",
    "closer_to_reference",
    "Confused classes taken for one another: property generalisation, (C[A,B] + C[B,A]) / (examples of A and "
    "B) on the test set, mean over models; compare it with retrained models, which confuse them too.",
    unit="share",
    bounds=(0.0, 1.0),
    headline=True,
    distance=np.abs,
)
METRICS = (FORGET_WRONG, FORGET_TRUE, TEST_CONFUSION)

_CLEAN = "Not computed: this task corrupts no labels."
_NO_MODELS = "Not computed: there are no unlearned models."
_NO_EXAMPLES = "Not computed: the test set has no example of the confused classes."


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="interclass_confusion",
        version="2",
        summary="Remaining effects of forgotten wrong labels: memorised labels, and confusion of the classes",
        evaluate=evaluate,
        source="Goel et al. 2022 (arXiv 2201.06640)",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Measure memorisation and generalisation of the corrupted labels; compute nothing if the task corrupts none."""
    confused = confusion.confused(analysis.evidence)
    if confused is None:
        # No headline: the summaries of all other tasks would get a row without a number.
        return Result(tuple(control_and_noop.missing(replace(about, headline=False), _CLEAN) for about in METRICS))
    models = analysis.models
    resamples = bootstrap.resamples(analysis.evidence, models.sizes())
    found = _per_model(models, confused)
    metrics = tuple(_metric(about, found.get(about), resamples) for about in METRICS)
    gaps = {about: gap_metrics.gaps(rows, resamples) for about, rows in found.items() if "retrained" in rows}
    arrays = _matrices(models, confused) | control_and_noop.position_intervals(gaps)
    return Result(_with_classes(metrics, models, confused), arrays, _warnings(models))


def _per_model(models: Models, confused: Confused) -> dict[Description, dict[str, Values]]:
    """Return each metric's value for every model, shape (N,), by row of the report; no test metric without test examples."""

    def wrong(analysis: Analysis, population: Population, split: SplitName) -> Values:
        return confusion.share_answered(analysis.answers(population, split), confused.rows, confused.wrong)

    def true(analysis: Analysis, population: Population, split: SplitName) -> Values:
        return confusion.share_answered(analysis.answers(population, split), confused.rows, confused.true)

    def taken(analysis: Analysis, population: Population, split: SplitName) -> Values:
        answers = analysis.answers(population, split)
        return confusion.share_confused(answers, confusion.true_labels(analysis.evidence, split), confused.pairs)

    found = {FORGET_WRONG: _rows(models, "forget", wrong), FORGET_TRUE: _rows(models, "forget", true)}
    return found | {TEST_CONFUSION: _rows(models, "test", taken)} if _tested(models, confused) else found


def _tested(models: Models, confused: Confused) -> int:
    """Return the number of test examples of the confused classes."""
    if not models.has("test"):
        return 0
    return int(np.isin(confusion.true_labels(models.evidence, "test"), confused.classes).sum())


def _rows(models: Models, split: SplitName, statistic: Statistic) -> dict[str, Values]:
    panel = models.panel(split, statistic, minimum=1)
    rows = {name: getattr(panel, name) for name in ("unlearned", "retrained", "control", "noop")}
    return {name: values for name, values in rows.items() if values is not None}


def _metric(about: Description, rows: Mapping[str, Values] | None, resamples: Resamples) -> Metric:
    if rows is None:
        return control_and_noop.missing(about, _NO_EXAMPLES)
    if "unlearned" not in rows:
        return control_and_noop.missing(about, _NO_MODELS)
    if "retrained" not in rows:
        return control_and_noop.metric(about, gap_metrics.means(rows, resamples), scale=control_and_noop.Rows())
    return gap_metrics.metric(about, rows, resamples)


def _with_classes(metrics: tuple[Metric, ...], models: Models, confused: Confused) -> tuple[Metric, ...]:
    """Return the metrics with a note on the classes and the number of examples."""
    evidence, pairs = models.evidence, np.argwhere(np.triu(confused.pairs))
    names = evidence.class_names or tuple(str(label) for label in range(evidence.n_classes))
    one_pair = f"Classes {' and '.join(names[label] for label in pairs[0])}"
    which = one_pair if len(pairs) == 1 else f"{len(pairs)} pairs of classes"
    sizes = {about.name: len(confused.rows) for about in METRICS} | {TEST_CONFUSION.name: _tested(models, confused)}
    counts = {name: "1 example" if size == 1 else f"{size} examples" for name, size in sizes.items()}
    return tuple(replace(one, note=f"{which}, {counts[one.name]}. {one.note}".strip()) for one in metrics)


def _matrices(models: Models, confused: Confused) -> dict[str, Values]:
    """Return the confusion matrix on the test set among the confused classes, mean over models, for every population."""
    if not _tested(models, confused) or len(confused.classes) > MOST_CLASSES:
        return {}
    evidence, classes = models.evidence, confused.classes
    found = {"classes": classes.astype(np.float64)}
    for population, order in models.order.items():
        if len(order):
            answers = models.analysis.answers(population, "test")[order]
            true = confusion.true_labels(evidence, "test")
            found[f"test_matrix_{population}"] = confusion.matrix(answers, true, classes)
    return found


def _warnings(models: Models) -> tuple[str, ...]:
    none = [row for row, size in models.sizes().items() if size == 0]
    return (f"interclass_confusion: there are no models for {', '.join(none)}.",) if none else ()
