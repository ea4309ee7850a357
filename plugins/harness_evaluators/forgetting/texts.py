"""Descriptions of the metrics of the evaluator ``forgetting``."""

from __future__ import annotations

from harness_evaluators.common.control_and_noop import Description

DIFFERENCE = Description(
    "difference_p",
    "none",
    "Whether models differ at all: exact permutation test over models on all statistics; below 0.05 they "
    "differ, which equal models do in at most 5 % of runs.",
    bounds=(0.0, 1.0),
    headline=True,
)
LEFT = Description(
    "memory_left",
    "closer_to_reference",
    "Share of the memory of the forget set that is left: slope of each example's shift on the no-op's; 0 as retrained, "
    "1 as if nothing had been done, below 0 too much forgotten.",
    unit="share",
    headline=True,
)
LEFT_WITHOUT_TWINS = Description(
    "memory_left_without_twins",
    "closer_to_reference",
    "As memory_left, on the forgotten examples that have no equal or nearly equal example in another split.",
    unit="share",
)
LEFT_CALIBRATED = Description(
    "memory_left_calibrated",
    "closer_to_reference",
    "As memory_left, as seen from the test set: effects that the test set shows as well are removed, by "
    "ranking a model's confidences among its own on unseen examples of the same difficulty.",
    unit="share",
)
LEFT_QUERIES = Description(
    "memory_left_queries",
    "closer_to_reference",
    "As memory_left, from confidences averaged over the exact inputs and all queries.",
    unit="share",
)
LEFT_BOTH = Description(
    "memory_left_calibrated_queries",
    "closer_to_reference",
    "As memory_left_queries, as seen from the test set.",
    unit="share",
)
LEFT_WORST = Description(
    "memory_left_worst",
    "closer_to_reference",
    "The largest memory_left of all views: exact inputs, as seen from the test set, each query, and the "
    "mean over queries.",
    unit="share",
)
BOUND = Description(
    "memory_bound",
    "lower",
    "Upper limit of the memory that may be left: 95 % bound of memory_left, the largest over exact inputs, "
    "as seen from the test set, and the mean over queries.",
    unit="share",
    headline=True,
)
SHIFT = Description(
    "shift",
    "closer_to_reference",
    "Mean shift of the confidence on forgotten examples against retrained models, in their standard "
    "deviations; outlying models are cut to the range of the other populations.",
)
SHIFT_CALIBRATED = Description("shift_calibrated", "closer_to_reference", "As shift, as seen from the test set.")
SHIFT_BOUND = Description(
    "shift_bound", "lower", "Upper limit of the absolute mean shift, in standard deviations (95 % bound)."
)
PLACEBO = Description(
    "placebo_p",
    "none",
    "Whether models differ on the test set, which no plugin sees: the same test there; below 0.05 they are "
    "another kind of model, whatever they remember of the forget set.",
    bounds=(0.0, 1.0),
)
PLACEBO_SHIFT = Description(
    "placebo_shift", "closer_to_reference", "Mean shift of the confidence on the test set, as shift on the forget set."
)
EXCESS = Description(
    "excess_p",
    "none",
    "Whether confidences differ more on the forget set than on the test set: permutation test over examples "
    "of the same difficulty, valid at any number of models. If models differ on the test set as well, only a "
    "value below 0.025 is evidence of memory.",
    bounds=(0.0, 1.0),
)
EXCESS_WRONG = Description(
    "excess_wrong_p",
    "none",
    "As excess_p, for the order of wrong classes between examples of the same class; a change of temperature "
    "cannot hide it.",
    bounds=(0.0, 1.0),
)
UNDER = Description(
    "named_remembered",
    "lower",
    "Share of forgotten examples on which unlearned models are significantly more confident, with a family- "
    "wise error below 5 % (max-T).",
    unit="share",
)
OVER = Description(
    "named_over_forgotten",
    "lower",
    "Share of forgotten examples on which unlearned models are significantly less confident, with a family- "
    "wise error below 5 % (max-T).",
    unit="share",
)
SIZE = Description(
    "memory_size",
    "none",
    "Amount there is to forget: root mean square of the no-op's shift over examples, in standard deviations "
    "of retrained models, corrected for its noise; a verdict needs an interval above 0.",
)
DIVERSITY = Description(
    "effective_models",
    "higher",
    "Effective number of independent unlearned models, from their variance relative to retrained models' and "
    "from the number of distinct ones.",
)
ALL = (
    DIFFERENCE,
    LEFT,
    BOUND,
    LEFT_CALIBRATED,
    LEFT_QUERIES,
    LEFT_BOTH,
    LEFT_WORST,
    SHIFT,
    SHIFT_CALIBRATED,
    SHIFT_BOUND,
    PLACEBO,
    PLACEBO_SHIFT,
    EXCESS,
    EXCESS_WRONG,
    UNDER,
    OVER,
    SIZE,
    DIVERSITY,
)
