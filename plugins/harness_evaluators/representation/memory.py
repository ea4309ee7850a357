"""The memory of the forget set in the features of the layer that surely remembers most, as a share of the originals'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.evaluation import Interval, Metric
from harness_evaluators.common.bootstrap import LEVEL, METHOD
from harness_evaluators.common.control_and_noop import Z95, Description, Rows, missing, smallest_visible

FEATURE_MEMORY = Description(
    "feature_memory",
    "closer_to_reference",
    "Share of the forget set's memory that is left in the features: (confidence of new heads - the control's) / (the no-op's - "
    "the control's), of the layer where the lower end of its interval is highest.",
    headline=True,
)
NOTHING = "Not computed: the features of the originals do not remember more than those of the controls, beyond noise."


@dataclass(frozen=True)
class _Share:
    """The share that is left in a layer.

    Attributes:
        layer: name of the layer.
        value: the share; 0 as the control, 1 as the no-op.
        low, high: ends of its interval.
        visible: the smallest share that could have been seen.
    """

    layer: str
    value: float
    low: float
    high: float
    visible: float | None


def metric(by_layer: Mapping[str, Rows]) -> Metric:
    """Return the metric from the gaps of new heads' confidence by layer; intervals allow for the choice among layers.

    A layer takes part if its originals exceed the control by more than 1.96 standard deviations.
    """
    found = [share for layer, rows in by_layer.items() if (share := _share(layer, rows, len(by_layer)))]
    if not found:
        return missing(FEATURE_MEMORY, NOTHING)
    most = max(found, key=lambda one: one.low)
    return Metric(
        FEATURE_MEMORY.name,
        most.value,
        FEATURE_MEMORY.direction,
        FEATURE_MEMORY.text,
        interval=Interval(most.low, most.high, LEVEL, f"{METHOD}, Bonferroni over {len(by_layer)} layers"),
        control=0.0,
        noop=1.0,
        position=1 - most.value,
        smallest_visible=most.visible,
        headline=True,
        note=f"Layer: {most.layer}.",
    )


def _share(layer: str, rows: Rows, layers: int) -> _Share | None:
    if rows.unlearned is None or rows.control is None or rows.noop is None:
        return None
    replicates = [one.replicates for one in (rows.unlearned, rows.control, rows.noop)]
    if any(one is None for one in replicates):
        return None
    values, zeros, ones = np.array(replicates, dtype=np.float64)
    span = rows.noop.value - rows.control.value
    if span <= 0 or not span > Z95 * float(np.std(ones - zeros, ddof=1)):
        return None
    value = (rows.unlearned.value - rows.control.value) / span
    usable = ones > zeros
    tail = (1 - LEVEL) / 2 / layers
    low, high = np.quantile((values - zeros)[usable] / (ones - zeros)[usable], [tail, 1 - tail])
    seen = smallest_visible(rows.control)
    return _Share(layer, value, float(low), float(high), None if seen is None else seen / span)
