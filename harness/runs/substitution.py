"""Substitution of failed models by their originals (``--failed-as noop``), so that failing cannot improve a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.core.outcomes import ModelOutcome
from harness.evaluation import Evidence

Arrays = Mapping[str, NDArray[np.float32]]


def with_originals(evidence: Evidence, outcomes: Sequence[ModelOutcome]) -> Evidence:
    """Return the evidence with a row for every model; a failed model's row is its original's.

    This holds for logits on every split and query. Times and memory of failed models are NaN.

    Args:
        evidence: evidence of the finished models, in the order of ``outcomes``.
        outcomes: outcomes of all models.
    """
    finished = np.array([outcome.status.finished for outcome in outcomes], dtype=bool)
    sources = np.array([outcome.original for outcome in outcomes], dtype=np.int64)
    queries = {
        name: {**found, "unlearned": _filled(found["unlearned"], found["original"], finished, sources)}
        for name, found in evidence.queries.items()
    }
    timings = evidence.timings
    spread = replace(
        timings,
        unlearn_s=_spread(timings.unlearn_s, finished),
        peak_rss_mib=_spread(timings.peak_rss_mib, finished),
        peak_gpu_mib=_spread(timings.peak_gpu_mib, finished),
        unlearn_examples=_spread(timings.unlearn_examples, finished),
    )
    return replace(
        evidence,
        logits={**evidence.logits, "unlearned": _all_filled(evidence.logits, finished, sources)},
        queries=queries,
        unlearned_from=sources,
        timings=spread,
    )


def _all_filled(
    logits: Mapping[str, Arrays], finished: NDArray[np.bool_], sources: NDArray[np.int64]
) -> dict[str, NDArray[np.float32]]:
    return {
        split: _filled(array, logits["original"][split], finished, sources)
        for split, array in logits["unlearned"].items()
    }


def _filled(
    unlearned: NDArray[np.float32],
    original: NDArray[np.float32],
    finished: NDArray[np.bool_],
    sources: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return the rows of all models, shape (models, ...): unlearned if finished, else the original's."""
    rows = original[sources]
    rows[finished] = unlearned
    rows.flags.writeable = False
    return rows


def _spread(values: NDArray[np.float64], finished: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the values of finished models at their indices, NaN elsewhere; empty if ``values`` is empty."""
    if not len(values):
        return values
    spread = np.full(len(finished), np.nan)
    spread[finished] = values
    return spread
