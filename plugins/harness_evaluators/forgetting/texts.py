"""Descriptions of the metrics of the evaluator ``forgetting``."""

from __future__ import annotations

from harness_evaluators.common.calibration import Description

DIFFERENCE = Description(
    "difference_p",
    "none",
    "Whether models differ at all: exact permutation test over models on everything that is looked at; below 0.05 "
    "they differ, and equal models do so in at most 5 % of runs.",
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
LEFT_CALIBRATED = Description(
    "memory_left_calibrated",
    "closer_to_reference",
    "As memory_left, with what a model does to the test set alike taken out: its confidences are ranked among its own on "
    "the test set, beside unseen examples of the same difficulty.",
    unit="share",
)
LEFT_QUERIES = Description(
    "memory_left_queries",
    "closer_to_reference",
    "As memory_left, from confidences averaged over the pictures as they are and all queries.",
    unit="share",
)
LEFT_BOTH = Description(
    "memory_left_calibrated_queries",
    "closer_to_reference",
    "As memory_left_queries, with what a model does to the test set alike taken out.",
    unit="share",
)
LEFT_WORST = Description(
    "memory_left_worst",
    "closer_to_reference",
    "The largest memory_left of all ways to look: as it is, seen from the test set, under each query and their mean.",
    unit="share",
)
BOUND = Description(
    "memory_bound",
    "lower",
    "Up to how much of the memory may be left: 95 % upper bound of memory_left, the largest of as it is, seen from "
    "the test set, and the mean over queries.",
    unit="share",
    headline=True,
)
SHIFT = Description(
    "shift",
    "closer_to_reference",
    "Mean shift of the confidence on forgotten examples against retrained models, in their standard deviations; "
    "outlying models are cut to what ordinary ones show.",
)
SHIFT_CALIBRATED = Description(
    "shift_calibrated", "closer_to_reference", "As shift, with what a model does to the test set alike taken out."
)
SHIFT_BOUND = Description(
    "shift_bound", "lower", "Up to how many standard deviations the mean shift may be, on either side (95 % bound)."
)
PLACEBO = Description(
    "placebo_p",
    "none",
    "Whether models differ on the test set: the same test there, where no plugin ever looks; below 0.05 they are another "
    "kind of model, whatever they know of the forget set.",
    bounds=(0.0, 1.0),
)
PLACEBO_SHIFT = Description(
    "placebo_shift", "closer_to_reference", "Mean shift of the confidence on the test set, as shift on the forget set."
)
EXCESS = Description(
    "excess_p",
    "none",
    "Whether confidences differ more on the forget set than on the test set: permutation test over examples of the same "
    "difficulty, which does not depend on how many models there are. Where models differ on the test set as well, only below "
    "0.025 is anything said of what they remember.",
    bounds=(0.0, 1.0),
)
EXCESS_WRONG = Description(
    "excess_wrong_p",
    "none",
    "As excess_p, of the order of wrong classes between examples of the same class: a mark that no temperature hides.",
    bounds=(0.0, 1.0),
)
UNDER = Description(
    "named_remembered",
    "lower",
    "Share of forgotten examples on which unlearned models are more confident, each one named with family-wise error "
    "below 5 % (max-T).",
    unit="share",
)
OVER = Description(
    "named_over_forgotten",
    "lower",
    "Share of forgotten examples on which unlearned models are less confident, each one named with family-wise error "
    "below 5 % (max-T).",
    unit="share",
)
SIZE = Description(
    "memory_size",
    "none",
    "How much there is to forget: root mean square of the no-op's shift over examples, in standard deviations of "
    "retrained models, corrected for its noise; its interval must lie above 0 for any verdict.",
)
DIVERSITY = Description(
    "effective_models",
    "higher",
    "How many independent models the unlearned ones are worth: by their variance against the retrained models', and by how "
    "many of them are different.",
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
