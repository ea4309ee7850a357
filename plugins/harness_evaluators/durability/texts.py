"""Descriptions of the metrics of the evaluator ``durability``."""

from __future__ import annotations

from harness_evaluators.common.control_and_noop import Description
from harness_evaluators.durability.conditions import described

P = Description(
    "recovery_p",
    "none",
    "Whether more memory comes back than in retrained models: exact permutation test over models, family-wise over all changes "
    "of the weights; below 0.01 it does, which equal models show in at most 1 % of runs.",
    bounds=(0.0, 1.0),
    headline=True,
)
REGAINED = Description(
    "memory_regained",
    "closer_to_reference",
    "Memory after the change that most evidently brings it back: share of the no-op's memory; the interval holds for all changes "
    "of the weights at once.",
    unit="share",
    headline=True,
)
BEFORE = Description(
    "memory_before",
    "closer_to_reference",
    "Share of the no-op's memory that is there before any change: mean confidence on the forget set less that on the test set, "
    "against retrained models, as a share of the originals'.",
    unit="share",
)


def memory(condition: str) -> Description:
    """Return the description of the memory after a condition."""
    return Description(
        f"memory_{condition}",
        "closer_to_reference",
        f"As memory_before, after {described(condition)}.",
        unit="share",
    )


def gain(condition: str) -> Description:
    """Return the description of the gain of confidence under a condition."""
    return Description(
        f"gain_{condition}",
        "closer_to_reference",
        f"Change of the mean confidence (phi) on the forget set by {described(condition)}.",
    )


def accuracy_gain(condition: str) -> Description:
    """Return the description of the gain of accuracy under a condition."""
    return Description(
        f"accuracy_gain_{condition}",
        "closer_to_reference",
        f"Change of the accuracy on the forget set by {described(condition)}.",
        unit="share",
        bounds=(-1.0, 1.0),
    )
