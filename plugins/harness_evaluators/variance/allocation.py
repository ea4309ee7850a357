"""The best use of compute for originals or for repeats of each: optimum allocation in two-stage sampling.

With I originals at cost c_o each and J repeats of each at cost c_u, a mean over all models has the variance
(var a + var e / J) / I. At a fixed cost I (c_o + J c_u) it is smallest for J = sqrt((c_o / c_u) (var e / var a)).
Source: Cochran, "Sampling Techniques" (3rd edition, 1977), section 10.6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Costs:
    """Seconds of training an original, and of unlearning it once; both above 0."""

    original_s: float
    unlearn_s: float


@dataclass(frozen=True)
class Plan:
    """An allocation of compute.

    Attributes:
        originals: number of originals that the budget pays for; not necessarily an integer.
        repeats: of each.
        standard_error: of a mean over all models.
    """

    originals: float
    repeats: int
    standard_error: float


def optimal_repeats(between: float, within: float, costs: Costs) -> float:
    """Return J as above, at least 1; infinite if repeats vary but originals do not, 1 if nothing varies."""
    if within == 0:
        return 1.0
    if between == 0:
        return math.inf
    return max(1.0, math.sqrt(costs.original_s / costs.unlearn_s * within / between))


def standard_error(between: float, within: float, sizes: Values) -> float:
    """Return the standard error of the mean over all models, with ``sizes`` repeats of the originals, shape (I,)."""
    n_models = float(sizes.sum())
    return math.sqrt(between * float((sizes**2).sum()) / n_models**2 + within / n_models)


def best_plan(between: float, within: float, costs: Costs, sizes: Values) -> Plan:
    """Return the plan with the smallest standard error at the cost of a run with ``sizes`` repeats.

    It has at least two originals; ``sizes`` must, too, and ``between`` must be above 0.
    """
    budget = len(sizes) * costs.original_s + float(sizes.sum()) * costs.unlearn_s
    affordable = (budget - 2 * costs.original_s) / (2 * costs.unlearn_s)
    exact = min(optimal_repeats(between, within, costs), max(1.0, math.floor(affordable)))
    plans = []
    for repeats in {math.floor(exact), math.ceil(exact)}:
        originals = budget / (costs.original_s + repeats * costs.unlearn_s)
        plans.append(Plan(originals, repeats, math.sqrt((between + within / repeats) / originals)))
    return min(plans, key=lambda plan: (plan.standard_error, plan.repeats))
