"""Gaps of a per-model statistic to the retrained models, which are the ideal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Metric
from harness_evaluators.common import control_and_noop
from harness_evaluators.common.bootstrap import Linear, Resamples
from harness_evaluators.common.control_and_noop import Description, Rows

Values = NDArray[np.float64]


def gaps(per_model: Mapping[str, Values], resamples: Resamples) -> Rows:
    """Return each row's mean less that of the retrained models; values of shape (N,) by row, with ``retrained``."""
    retrained = per_model["retrained"]
    centre = float(retrained.mean())
    linear = {
        row: Linear(float(values.mean()) - centre, values, -retrained)
        for row, values in per_model.items()
        if row != "retrained"
    }
    return control_and_noop.rows_of(linear, resamples)


def means(per_model: Mapping[str, Values], resamples: Resamples) -> Rows:
    """Return the mean of each row other than the retrained models."""
    rows = {row: values for row, values in per_model.items() if row != "retrained"}
    return Rows(**{row: resamples.mean(row, values) for row, values in rows.items()})


def metric(about: Description, per_model: Mapping[str, Values], resamples: Resamples) -> Metric:
    """Return the mean over models, with the position of the gap and a note with the retrained models' mean.

    Args:
        about: the metric; its ``distance`` is applied to the gap.
        per_model: values of shape (N,) by row, ``unlearned`` and ``retrained`` among them.
        resamples: of the run.
    """
    found = control_and_noop.metric(about, means(per_model, resamples), scale=gaps(per_model, resamples))
    note = f"{about.note} Retrained models: {per_model['retrained'].mean():.4f}.".strip()
    return replace(found, note=note)
