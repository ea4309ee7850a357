"""Replacement of infinite logits, and removal of models with NaN logits.

The harness rejects models with logits that are not finite; evidence made elsewhere may contain them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, Result
from harness_evaluators.common.evidence_analysis import Analysis

Evaluate = Callable[[Evidence], Result]
Logits = NDArray[np.float32]
Flags = NDArray[np.bool_]

LARGEST = 1e38
"""Replacement of an infinite logit: the posterior is 0 or 1 either way, and differences stay within single precision."""


@dataclass(frozen=True)
class Cleaned:
    """Evidence with logits within LARGEST, and the changes that were made, as sentences without the evaluator's name."""

    evidence: Evidence
    warnings: tuple[str, ...]


def finite(evaluate: Callable[[Analysis], Result]) -> Evaluate:
    """Return an evaluator of evidence from a function of an analysis; replace logits that are not finite, with a warning."""
    name = evaluate.__module__.removesuffix(".evaluator").rpartition(".")[2]

    @functools.wraps(evaluate)
    def wrapped(evidence: Evidence) -> Result:
        cleaned = _cleaned(evidence)
        if cleaned is None:
            return evaluate(Analysis(evidence))
        result = evaluate(Analysis(cleaned.evidence))
        return replace(result, warnings=(*result.warnings, *(f"{name}: {text}" for text in cleaned.warnings)))

    return wrapped


def _cleaned(evidence: Evidence) -> Cleaned | None:
    """Return None if all logits, under queries too, are within LARGEST."""
    groups = (*evidence.logits.values(), *evidence.queries.values())
    if all(_all_finite(array) for by in groups for array in by.values()):
        return None
    usable = {
        name: _usable([*by.values(), *(asked[name] for asked in evidence.queries.values() if name in asked)])
        for name, by in evidence.logits.items()
    }
    logits = {
        name: {split: _bounded(array, usable[name]) for split, array in by.items()}
        for name, by in evidence.logits.items()
    }
    queries = {
        query: {name: _bounded(array, usable[name]) for name, array in by.items()}
        for query, by in evidence.queries.items()
    }
    lost = {name: int((~rows).sum()) for name, rows in usable.items() if not rows.all()}
    warnings = [f"{count} {name} models returned NaN logits and are ignored." for name, count in lost.items()]
    warnings.append(
        f"some logits were NaN, infinite or beyond {LARGEST:g}; infinite and larger ones are replaced by that number."
    )
    origins = _renumbered(evidence.unlearned_from, usable.get("original"))
    if "unlearned" in usable:
        origins = origins[usable["unlearned"]]
    probes = {
        probe: {
            name: {key: array[usable[name][: len(array)]] for key, array in by.items()} for name, by in found.items()
        }
        for probe, found in evidence.probes.items()
    }
    cleaned = replace(evidence, logits=logits, queries=queries, unlearned_from=origins, probes=probes)
    return Cleaned(cleaned, tuple(warnings))


def _all_finite(array: Logits) -> bool:
    """Return True if all values are within LARGEST and none is NaN; makes no copy."""
    if not array.size:
        return True
    return bool(array.min() >= -LARGEST and array.max() <= LARGEST)  # comparisons with NaN are False


def _usable(arrays: Sequence[Logits]) -> Flags:
    """Return which models of a population have no NaN on any split or under any query, shape (N,)."""
    return np.asarray(np.all([~np.isnan(array).any(axis=(1, 2)) for array in arrays], axis=0))


def _bounded(array: Logits, rows: Flags) -> Logits:
    found = np.clip(array[rows], -LARGEST, LARGEST)
    found.flags.writeable = False
    return found


def _renumbered(origins: NDArray[np.int64], usable: Flags | None) -> NDArray[np.int64]:
    """Return the originals' row numbers after removal of unusable ones, which get numbers beyond all remaining rows."""
    if usable is None or usable.all():
        return origins
    numbers = np.full(len(usable), -1, dtype=np.int64)
    numbers[np.argsort(~usable, kind="stable")] = np.arange(len(usable))
    known = origins < len(usable)
    return np.where(known, numbers[np.where(known, origins, 0)], origins)
