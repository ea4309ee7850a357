"""``klom``: KL divergence of margins between unlearned and retrained models, as quantiles over each split.

Formulas and sources: :mod:`harness_evaluators.klom.histograms`, :mod:`harness_evaluators.klom.released`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import SPLITS, EvaluatorInfo, Result, SplitName, hookimpl
from harness_evaluators.common import bootstrap, control_and_noop, finite
from harness_evaluators.common.control_and_noop import Description, Rows
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.klom import histograms, released

Values = NDArray[np.float64]

NAMES = ("median", "p95")
"""Names of the quantiles in :data:`harness_evaluators.klom.histograms.QUANTILES`."""

_WORDS = {"median": "median", "p95": "95th percentile"}
ORDER: tuple[SplitName, ...] = ("forget", *(split for split in SPLITS if split != "forget"))

RELEASED = {
    split: Description(
        f"{split}_p95_easydub",
        "lower",
        f"{split}_p95 by EasyDUB's released code, which drops the largest margins of each example: 95th percentile over the "
        f"{split} set, for comparison with numbers published there.",
        unit="nat",
        note="Without interval: only to compare with published numbers. Judge by the metric without the suffix.",
    )
    for split in ORDER
}


def of_split(split: SplitName) -> tuple[Description, ...]:
    """Return the descriptions of the quantiles on a split."""
    return tuple(
        Description(
            f"{split}_{name}",
            "lower",
            f"KL divergence of the margins' histogram over unlearned models from that over retrained ones, "
            f"{_WORDS[name]} over the {split} set; never 0 for finitely many models, so read it beside the control.",
            unit="nat",
            bounds=(0.0, np.inf),
        )
        for name in NAMES
    )


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="klom",
        version="3",
        summary="KL divergence of margins between unlearned and retrained models, per split",
        evaluate=evaluate,
        needs="phi",
        source="Georgiev et al. 2024 (arXiv 2410.23232), appendix E.1",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Compute histogram divergences on every split that has logits."""
    models = analysis.models
    why_not = models.why_not("forget")
    if why_not:
        every = (about for split in ORDER for about in (*of_split(split), RELEASED[split]))
        return Result(
            tuple(control_and_noop.missing(about, why_not) for about in every), warnings=(f"klom: {why_not}",)
        )
    resamples = bootstrap.resamples(analysis.evidence, models.sizes())
    rows: dict[Description, Rows] = {}
    arrays: dict[str, Values] = {}
    for split in ORDER:
        if not models.why_not(split):
            pairs = models.panel(split, Analysis.phi).comparisons()
            found = {row: histograms.summary(left, right) for row, (left, right) in pairs.items()}
            rows |= _rows(split, found, resamples)
            rows[RELEASED[split]] = _released(pairs)
            if split == "forget":
                arrays |= {f"kl_{row}": one.per_example for row, one in found.items()}
    metrics = tuple(control_and_noop.metric(about, values) for about, values in rows.items())
    arrays |= control_and_noop.position_intervals(rows)
    return Result(metrics, arrays, control_and_noop.warnings("klom", models, rows))


def _released(pairs: Mapping[str, tuple[Values, Values]]) -> Rows:
    """Return the 95th percentile over examples of the released estimate, for each row."""
    values = {row: float(np.quantile(released.divergences(*pair), 0.95)) for row, pair in pairs.items()}
    return control_and_noop.without_interval(values)


def _rows(
    split: SplitName, found: dict[str, histograms.Summary], resamples: bootstrap.Resamples
) -> dict[Description, Rows]:
    return {
        about: control_and_noop.rows_of({row: one.quantiles[i] for row, one in found.items()}, resamples)
        for i, about in enumerate(of_split(split))
    }
