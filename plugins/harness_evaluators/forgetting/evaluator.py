"""``forgetting``: the two tests of the verdict, for any difference and for the share of memory that is left.

1. *Any difference?* An exact permutation test over models. It compares the confidence in the true class on the forget set
   (location, spread, extremes over examples), plain and under every query; the logits of wrong classes; joint patterns
   within a model; and the test set. It gives one family-wise p-value
   (:mod:`harness_evaluators.forgetting.permutation_test`). If the test set differs as well, a second test compares the
   forget set with it (:mod:`harness_evaluators.forgetting.excess_test`).
2. *How much is left?* The share of the memory of the forget set that is left, with an upper bound that is compared with a
   margin (:mod:`harness_evaluators.forgetting.memory_regression`): from plain confidences, from confidences calibrated on
   the test set (:mod:`harness_evaluators.forgetting.placebo`), and under queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Interval, Metric, Result, hookimpl
from harness_evaluators.common import control_and_noop, evidence_analysis, finite, twins
from harness_evaluators.common.control_and_noop import Description
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.forgetting import effective_models, memory_regression, texts
from harness_evaluators.forgetting.memory_regression import Estimate, Memory, Sample
from harness_evaluators.forgetting.permutation_test import Difference
from harness_evaluators.forgetting.view import CALIBRATED, CALIBRATED_QUERIES, PLAIN, QUERIES, Excess, Pair, Row, View

Values = NDArray[np.float64]

LEVEL = 0.05
"""Family-wise error of the tests, and of each upper bound."""

METHOD = "jackknife over models, Student's t"

BOUNDED = (PLAIN, CALIBRATED, QUERIES)
"""Views with bounds that are compared with the margins; single queries enter only through the test for a difference."""


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="forgetting",
        version="3",
        summary="Any difference between unlearned and retrained models, and an upper bound of the memory that is left",
        evaluate=evaluate,
        needs="phi",
        source="Westfall and Young 1993; Gretton et al. 2012; Hoeffding 1948; Schuirmann 1987",
    )


NOTHING_TO_DIVIDE_BY = "Not computed: seen in this way, the no-op's memory is not clearly above 0."


@dataclass(frozen=True)
class Seen:
    """Results for one row of the report.

    Attributes:
        samples: confidences behind the memories, by view.
        difference: the test on all statistics.
        placebo: the test on the test set; None without a placebo.
        placebo_shift: mean shift on the test set; None without a placebo.
        excess: the comparison of the forget set with the test set.
        memories: by view; empty without a no-op.
        under, over: shares of examples that are significantly more, or less, confident.
        z, p: of each example, shape (n,).
        diversity: effective number of independent models.
    """

    samples: Mapping[str, Sample]
    difference: Difference
    placebo: Difference | None
    placebo_shift: Estimate | None
    excess: Excess
    memories: Mapping[str, Memory]
    under: float
    over: float
    z: Values
    p: Values
    diversity: float


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Run both tests for the unlearned models, the control and the no-op."""
    models = analysis.models
    view = View(models)
    why_not = models.why_not("forget") or _why_no_scale(view)
    if why_not:
        return Result(
            tuple(control_and_noop.missing(about, why_not) for about in texts.ALL), warnings=(f"forgetting: {why_not}",)
        )
    pairs = view.pairs()
    seen = {row: _seen(view, pair) for row, pair in pairs.items()}
    metrics = (*_metrics(seen), *_without_twins(analysis, seen))
    return Result(metrics, _arrays(seen["unlearned"], metrics), tuple(_warnings(seen)))


def _why_no_scale(view: View) -> str:
    """Return a reason if all retrained models are identical: there is then no scale for a difference."""
    retrained = view.plain("retrained")
    same = np.ptp(retrained, axis=0) <= evidence_analysis.SAME * np.abs(retrained).max()
    return "Not computed: retrained models do not vary, so there is no scale for a difference." if same.all() else ""


def _seen(view: View, pair: Pair) -> Seen:
    labels = view.labels(pair)
    difference, placebo = view.tests(pair, labels)
    differs = placebo is not None and placebo.p <= LEVEL
    z, p = view.named(pair, labels, beside_placebo=differs)
    samples = view.samples(pair)
    compared, references = view.plain(pair.compared), np.concatenate([view.plain(name) for name in pair.references])
    return Seen(
        samples=samples,
        difference=difference,
        placebo=placebo,
        placebo_shift=None if placebo is None else _shift_on_unseen(view, pair),
        excess=view.excess(pair),
        memories={way: memory_regression.memory(one) for way, one in samples.items()},
        under=float(((p <= LEVEL) & (z > 0)).mean()),
        over=float(((p <= LEVEL) & (z < 0)).mean()),
        z=z,
        p=p,
        diversity=effective_models.independent(compared, references),
    )


def _shift_on_unseen(view: View, pair: Pair) -> Estimate:
    references = np.concatenate([view.on_unseen(name) for name in pair.references])
    compared = view.on_unseen(pair.compared)
    return memory_regression.shift(
        memory_regression.standardised(compared, references, references, np.full(len(compared), -1))
    )


def _metrics(seen: Mapping[Row, Seen]) -> list[Metric]:
    ways = {
        texts.LEFT: PLAIN,
        texts.LEFT_CALIBRATED: CALIBRATED,
        texts.LEFT_QUERIES: QUERIES,
        texts.LEFT_BOTH: CALIBRATED_QUERIES,
    }
    tests = {row: one.difference for row, one in seen.items()}
    stands_out = tests["unlearned"].statistic
    return [
        _plain_metric(
            texts.DIFFERENCE, {row: test.p for row, test in tests.items()}, f"What stands out most: {stands_out}."
        ),
        *(_share(about, seen, way) for about, way in ways.items()),
        _worst(seen),
        _plain_metric(texts.BOUND, {row: memory_bound(one.memories) for row, one in seen.items()}),
        _estimated(texts.SHIFT, {row: _shift_of(one, PLAIN) for row, one in seen.items()}),
        _estimated(texts.SHIFT_CALIBRATED, {row: _shift_of(one, CALIBRATED) for row, one in seen.items()}),
        _plain_metric(texts.SHIFT_BOUND, {row: shift_bound(one.memories) for row, one in seen.items()}),
        _plain_metric(texts.PLACEBO, {row: _p(one.placebo) for row, one in seen.items()}),
        _estimated(texts.PLACEBO_SHIFT, {row: one.placebo_shift for row, one in seen.items()}),
        _plain_metric(texts.EXCESS, {row: _p(one.excess.confidence) for row, one in seen.items()}),
        _plain_metric(texts.EXCESS_WRONG, {row: _p(one.excess.wrong) for row, one in seen.items()}),
        _plain_metric(texts.UNDER, {row: one.under for row, one in seen.items()}),
        _plain_metric(texts.OVER, {row: one.over for row, one in seen.items()}),
        _size(seen),
        _plain_metric(texts.DIVERSITY, {row: one.diversity for row, one in seen.items()}),
    ]


def _without_twins(analysis: Analysis, seen: Mapping[Row, Seen]) -> list[Metric]:
    """Return the memory that is left of examples without a twin; empty if no forgotten example has one."""
    kept = twins.without(analysis.evidence)
    if kept is None:
        return []
    about = texts.LEFT_WITHOUT_TWINS
    if len(kept) < twins.LEAST:
        return [
            control_and_noop.missing(
                about, f"Not computed: {len(kept)} examples are left. {twins.note(analysis.evidence)}"
            )
        ]
    slopes = {
        row: memory_regression.memory(memory_regression.of_examples(one.samples[PLAIN], kept)).slope
        for row, one in seen.items()
        if PLAIN in one.samples
    }
    if "unlearned" not in slopes:
        return [control_and_noop.missing(about, "Not computed: without a no-op.")]
    found = _with_errors(about, slopes["unlearned"], slopes.get("control"))
    return [replace(found, noop=1.0, position=1 - slopes["unlearned"].value, note=twins.note(analysis.evidence))]


def _p(test: Difference | None) -> float | None:
    return None if test is None else test.p


def memory_bound(memories: Mapping[str, Memory]) -> float | None:
    """Return the largest upper bound of the share that is left; at least what the standard error alone gives."""
    found = [_upper(memories[way].slope) for way in BOUNDED if way in memories]
    return max(found) if found else None


def shift_bound(memories: Mapping[str, Memory]) -> float | None:
    """Return the largest bound of the absolute mean shift, in standard deviations."""
    shifts = [memories[way].shift for way in BOUNDED if way in memories]
    found = [max(_upper(one), _upper(Estimate(-one.value, one.error, one.freedom))) for one in shifts]
    return max(found) if found else None


def _upper(estimate: Estimate) -> float:
    """Return the upper bound of an estimate cut at 0: a negative estimate must not lower the bound below its error."""
    return Estimate(max(0.0, estimate.value), estimate.error, estimate.freedom).bound(1 - LEVEL)


def _shift_of(seen: Seen, way: str) -> Estimate | None:
    return seen.memories[way].shift if way in seen.memories else None


def _interval(estimate: Estimate | None, level: float = LEVEL) -> Interval | None:
    if estimate is None:
        return None
    return Interval(estimate.bound(level / 2), estimate.bound(1 - level / 2), 1 - level, METHOD)


def _share(about: Description, seen: Mapping[Row, Seen], way: str) -> Metric:
    """Return a share of memory; what is left is linear in the slope, so the position is 1 - slope."""
    slopes = {row: one.memories[way].slope for row, one in seen.items() if way in one.memories}
    if "unlearned" not in slopes:
        return control_and_noop.missing(about, "Not computed: this view or the no-op is missing.")
    if way not in _informative(seen["unlearned"]):
        return control_and_noop.missing(about, NOTHING_TO_DIVIDE_BY)
    return replace(
        _with_errors(about, slopes["unlearned"], slopes.get("control")),
        noop=1.0,
        position=1 - slopes["unlearned"].value,
    )


def _informative(seen: Seen) -> dict[str, Memory]:
    """Return the views that show the no-op's memory; a share of what is not clearly above 0 would be any number.

    The exact inputs always count: whether they show it is for the verdict to say.
    """
    return {way: one for way, one in seen.memories.items() if way == PLAIN or one.size.bound(LEVEL / 2) > 0}


def _worst(seen: Mapping[Row, Seen]) -> Metric:
    """Return the share of memory under the view with the largest slope."""
    about = texts.LEFT_WORST
    ours = _informative(seen["unlearned"])
    if not ours:
        return control_and_noop.missing(about, "Not computed: without a no-op.")
    way = max(ours, key=lambda name: ours[name].slope.value)
    return replace(_share(about, seen, way), control=_highest(seen), note=f"It is {_in_words(way)}.")


def _highest(seen: Mapping[Row, Seen]) -> float | None:
    control = seen["control"].memories if "control" in seen else {}
    return max((one.slope.value for one in control.values()), default=None)


def _in_words(way: str) -> str:
    words = {
        PLAIN: "that of the exact inputs",
        CALIBRATED: "that as seen from the test set",
        QUERIES: "that of the mean over queries",
        CALIBRATED_QUERIES: "that of the mean over queries as seen from the test set",
    }
    return words.get(way, f"that under the query {way!r}")


def _estimated(about: Description, rows: Mapping[Row, Estimate | None]) -> Metric:
    ours, control, noop = (rows.get(row) for row in ("unlearned", "control", "noop"))
    if ours is None:
        return control_and_noop.missing(about, "Not computed: the examples or the no-op are missing.")
    return replace(
        _with_errors(about, ours, control),
        noop=None if noop is None else noop.value,
        position=None if noop is None or not noop.bound(LEVEL / 2) > 0 else 1 - ours.value / noop.value,
    )


def _with_errors(about: Description, ours: Estimate, control: Estimate | None) -> Metric:
    """Return an estimate and the control's, with their intervals and the smallest visible difference."""
    return Metric(
        name=about.name,
        value=ours.value,
        direction=about.direction,
        description=about.text,
        unit=about.unit,
        interval=_interval(ours),
        control=None if control is None else control.value,
        control_interval=_interval(control),
        smallest_visible=None if control is None else control_and_noop.Z95 * float(np.hypot(ours.error, control.error)),
        headline=about.headline,
    )


def _plain_metric(about: Description, rows: Mapping[Row, float | None], note: str = "") -> Metric:
    """Return a number without an interval: a p-value, a bound, or a share of significant examples."""
    ours = rows.get("unlearned")
    if ours is None:
        return control_and_noop.missing(about, "Not computed: its data are missing in this run.")
    return Metric(
        about.name,
        ours,
        about.direction,
        about.text,
        about.unit,
        control=rows.get("control"),
        noop=rows.get("noop"),
        headline=about.headline,
        note=note,
    )


def _size(seen: Mapping[Row, Seen]) -> Metric:
    """Return the root of the mean square with the roots of its interval's ends; negative squares count as 0."""
    about, memories = texts.SIZE, seen["unlearned"].memories
    if not memories:
        return control_and_noop.missing(about, "Not computed: without a no-op.")
    size = memories[PLAIN].size
    interval = _interval(size)
    if interval is None:
        return control_and_noop.missing(about, "Not computed.")
    value, low, high = (float(np.sqrt(max(0.0, end))) for end in (size.value, interval.low, interval.high))
    return Metric(about.name, value, about.direction, about.text, interval=replace(interval, low=low, high=high))


def _arrays(seen: Seen, metrics: Sequence[Metric]) -> dict[str, Values]:
    """Return z, family-wise p and the parts of the slope of each example, and the slopes by view."""
    arrays = {"example_z": seen.z, "example_p": seen.p}
    arrays |= {
        f"position_interval_{one.name}": np.array([1 - one.interval.high, 1 - one.interval.low])
        for one in metrics
        if one.name.startswith("memory_left") and one.interval is not None
    }
    if seen.samples:
        arrays["example_left"], arrays["example_memory"] = memory_regression.by_example(seen.samples[PLAIN])
        for way, one in seen.memories.items():
            ends = one.slope.bound(LEVEL / 2), one.slope.bound(1 - LEVEL / 2)
            arrays[f"left_{way.replace(' ', '_')}"] = np.array([one.slope.value, *ends])
    return arrays


def _warnings(seen: Mapping[Row, Seen]) -> list[str]:
    missing = {"control": "no control", "noop": "no no-op"}
    return [
        f"forgetting: {text}: fewer than {evidence_analysis.MIN_MODELS} models."
        for row, text in missing.items()
        if row not in seen
    ]
