"""Metrics of a quantity's variance components and of the best use of compute."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import SPLITS, Evidence, Interval, Metric
from harness_evaluators.common import control_and_noop
from harness_evaluators.common.control_and_noop import Description
from harness_evaluators.variance import allocation, anova
from harness_evaluators.variance.allocation import Costs
from harness_evaluators.variance.anova import Groups, Squares

Values = NDArray[np.float64]

NO_MODELS = "Not computed: no model finished, or there are no logits on this set."
NO_REPEATS = "Not computed: needs --repeats 2 or more."
ONE_ORIGINAL = (
    "Not computed: all models came from one original; needs the design per-original with two originals or more, and "
    "--repeats 2 or more."
)
ONE_MODEL = "Not computed: needs two unlearned models or more."
DETERMINISTIC = "Repeats of an original do not differ in this, as those of a deterministic method."
ALIKE = "Not computed: the models do not vary at all."
NO_TIMES = "Not computed: the times of retraining and of unlearning are not both known."
UNBOUNDED = (
    "Not computed: no variance between originals is visible, so a repeat is worth as much as a new original "
    "and costs less; spend on repeats."
)

QUANTITIES: Mapping[str, str] = {
    "phi": "the logit-scaled confidence on a forgotten example (mean variance over the examples)",
    "mean_phi": "a model's mean logit-scaled confidence over the forgotten examples",
    **{f"{split}_accuracy": f"a model's accuracy on the {split} set" for split in SPLITS},
}
"""The analysed quantities and their descriptions."""

PLANNED = ("phi", "mean_phi")
"""Quantities for which the best use of compute is reported."""

CORRELATION = Description(
    "phi_intraclass_correlation",
    "none",
    "Correlation between two repeats of one original, of the logit-scaled confidence, mean over the middle half of the "
    "forgotten examples; not cut at 0.",
    bounds=(-1.0, 1.0),
)


def parts_of(quantity: str) -> tuple[Description, Description, Description]:
    """Return the descriptions of a quantity's variance components: between originals, within, and the share of the former."""
    of = QUANTITIES[quantity]
    return (
        Description(f"{quantity}_between", "none", f"Variance of {of} that is due to the original's training seed."),
        Description(f"{quantity}_within", "none", f"Variance of {of} that is due to the unlearning method's own seed."),
        Description(
            f"{quantity}_share_original",
            "none",
            f"Share of the variance of {of} that is due to the original's training seed.",
            unit="share",
        ),
    )


def plan_of(quantity: str) -> tuple[Description, Description, Description]:
    """Return the descriptions of the best number of repeats, and of the standard error of the mean as run and at best."""
    mean = f"the mean over models of {QUANTITIES[quantity]}"
    return (
        Description(
            f"{quantity}_optimal_repeats",
            "none",
            f"Repeats of each original that give {mean} the smallest standard error for the time spent.",
        ),
        Description(f"{quantity}_standard_error", "none", f"Standard error of {mean}, in this run."),
        Description(
            f"{quantity}_standard_error_optimal",
            "none",
            f"Standard error of {mean}, had this run's time been spent on the optimal number of repeats.",
        ),
    )


WORTHWHILE = 1.05
"""Smallest ratio of the standard error to the best one for which another number of repeats is recommended."""


@dataclass(frozen=True)
class Anova:
    """A quantity's analysis of variance.

    Attributes:
        groups: models by original.
        whole: pooled over columns; None without two originals.
        without: the same with each original left out; None if there are too few.
        why_not: why there are no components, as a sentence; empty if there are.
    """

    groups: Groups
    whole: Squares | None
    without: Squares | None
    why_not: str


def analysis(values: Values, origins: NDArray[np.int64]) -> Anova:
    """Analyse values of shape (N, K), N at least 1, of models that came from ``origins``, shape (N,)."""
    groups = anova.grouped(values, origins)
    why_not = "" if groups.repeated else NO_REPEATS
    if len(groups.sizes) == 1:
        groups, why_not = anova.single(values), ONE_ORIGINAL
    if groups.models < 2:
        return Anova(groups, None, None, ONE_MODEL)
    without = anova.without_each(groups)
    pooled = None if without is None else without.pooled()
    return Anova(groups, anova.squares(groups).pooled(), pooled, why_not)


def valued(about: Description, value: float, interval: Interval | None = None, note: str = "") -> Metric:
    """Return a metric without control or no-op; its interval is cut to the metric's bounds."""
    low, high = about.bounds
    if interval is not None:
        interval = replace(interval, low=max(low, interval.low), high=min(high, interval.high))
    return replace(control_and_noop.missing(about, note), value=value, interval=interval)


def parts(quantity: str, found: Anova | None) -> list[Metric]:
    """Return the metrics of :func:`parts_of`."""
    between, within, share = parts_of(quantity)
    if found is None or found.whole is None or found.why_not:
        why_not = NO_MODELS if found is None else found.why_not
        return [
            control_and_noop.missing(between, why_not),
            _within(within, found),
            control_and_noop.missing(share, why_not),
        ]
    raw = float(found.whole.component()[0, 0])
    note = (
        f"The unbiased estimate, {raw:.3g}, is cut at 0: no variance between originals is visible." if raw < 0 else ""
    )
    value = anova.share(found.whole)
    if (found.whole.within == 0).all() and value is not None:
        note = DETERMINISTIC
    return [
        valued(between, max(0.0, raw), anova.component_interval(found.whole, found.without), note),
        _within(within, found),
        control_and_noop.missing(share, ALIKE)
        if value is None
        else valued(share, value, anova.share_interval(found.whole, found.without), note),
    ]


def _within(about: Description, found: Anova | None) -> Metric:
    """Return the variance within originals; with a single original it is the total variance."""
    if found is None or found.whole is None:
        return control_and_noop.missing(about, NO_MODELS if found is None else found.why_not)
    if found.why_not == NO_REPEATS:
        return control_and_noop.missing(about, NO_REPEATS)
    alone = found.why_not == ONE_ORIGINAL
    value = found.whole.between if alone else found.whole.within
    without = [] if found.without is None else [(found.without.between if alone else found.without.within)[:, 0]]
    return valued(about, float(value[0, 0]), anova.log_interval(float(value[0, 0]), without))


def correlation(found: Anova | None) -> Metric:
    """Return the intraclass correlation, var a / (var a + var e), example by example."""
    if found is None or found.why_not:
        return control_and_noop.missing(CORRELATION, NO_MODELS if found is None else found.why_not)
    value = _correlation(anova.squares(found.groups))
    if value is None:
        return control_and_noop.missing(CORRELATION, ALIKE)
    without = anova.without_each(found.groups)
    middles = None if without is None else _correlation(without)
    interval = None if middles is None else anova.interval(float(value[0]), [middles])
    return valued(CORRELATION, float(value[0]), interval)


def _correlation(squares: Squares) -> Values | None:
    """Return the mean over the middle half of the columns that vary in every selection, shape (S,); None without any."""
    total = squares.total()
    varies = (total > 0).all(axis=0)
    if not varies.any():
        return None
    return anova.midmean(squares.component()[:, varies] / total[:, varies])


def costs(evidence: Evidence) -> Costs | None:
    """Return mean measured times, with retraining as the cost of an original; None if they are unknown."""
    times = evidence.timings
    known = [each[np.isfinite(each)] for each in (times.retrain_s, times.unlearn_s)]
    if not all(each.size and each.mean() > 0 for each in known):
        return None
    return Costs(float(known[0].mean()), float(known[1].mean()))


def plan(quantity: str, found: Anova | None, costs: Costs | None) -> list[Metric]:
    """Return the metrics of :func:`plan_of`."""
    repeats, error, best = plan_of(quantity)
    error_metric = _error(error, found)
    why_not = NO_MODELS if found is None else found.why_not
    if found is None or found.whole is None or why_not:
        return [control_and_noop.missing(repeats, why_not), error_metric, control_and_noop.missing(best, why_not)]
    between, within = max(0.0, float(found.whole.component()[0, 0])), float(found.whole.within[0, 0])
    why_not = ALIKE if between + within == 0 else NO_TIMES if costs is None else UNBOUNDED if between == 0 else ""
    if costs is None or why_not:
        return [control_and_noop.missing(repeats, why_not), error_metric, control_and_noop.missing(best, why_not)]
    value = allocation.optimal_repeats(between, within, costs)
    chosen = allocation.best_plan(between, within, costs, found.groups.sizes)
    now = allocation.standard_error(between, within, found.groups.sizes)
    return [
        valued(repeats, value, _repeats_interval(found, costs), _advice(found.groups, within, costs, chosen, now)),
        error_metric,
        valued(best, chosen.standard_error),
    ]


def _error(about: Description, found: Anova | None) -> Metric:
    """Return the standard error of the mean in this run; without repeats it needs no components."""
    if found is None or found.whole is None or found.why_not == ONE_ORIGINAL:
        return control_and_noop.missing(about, NO_MODELS if found is None else found.why_not)
    between, within = max(0.0, float(found.whole.component()[0, 0])), float(found.whole.within[0, 0])
    return valued(about, allocation.standard_error(between, within, found.groups.sizes))


def _repeats_interval(found: Anova, costs: Costs) -> Interval | None:
    """Return the interval from the ends of the share's interval; None without that, or if it reaches 0 (infinite repeats)."""
    ends = None if found.whole is None else anova.share_interval(found.whole, found.without)
    if ends is None or ends.low <= 0:
        return None
    few, many = (allocation.optimal_repeats(share, 1 - share, costs) for share in (ends.high, ends.low))
    return replace(ends, low=few, high=many)


def _advice(groups: Groups, within: float, costs: Costs, best: allocation.Plan, now: float) -> str:
    """Return a recommendation on the use of compute."""
    if within == 0:
        return f"{DETERMINISTIC} Spend on originals alone."
    n_originals = len(groups.sizes)
    instead = math.floor(best.originals)
    known = f"An original costs {costs.original_s:.3g} s and unlearning it {costs.unlearn_s:.3g} s. "
    if now < WORTHWHILE * best.standard_error:
        share = f"{100 * (WORTHWHILE - 1):.0f} %"
        return f"{known}No other number of repeats would lower the standard error by {share} for the same time."
    towards = "more originals and fewer repeats" if instead > n_originals else "more repeats of fewer originals"
    return (
        f"{known}Spend on {towards}: for the time of {n_originals} originals and {groups.models} unlearned models, "
        f"{instead} originals with {best.repeats} each give the mean a standard error of {best.standard_error:.3g} in "
        f"place of {now:.3g}. Originals that are trained already cost nothing: take one model of each, then."
    )
