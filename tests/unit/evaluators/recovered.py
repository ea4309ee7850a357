"""Evidence with what models answer after small changes of their weights, for ``durability``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, probed
from harness.probes.recovery import answered

NAMES = ("retain", "retain_5", "bits_8", "bits_4", "noise_20")
GIVEN, TESTED = 5, 40
Probes = dict[str, dict[str, dict[str, NDArray[Any]]]]


def with_recovery(evidence: Evidence, gains: Mapping[str, Mapping[str, float]], seed: int = 0) -> Evidence:
    """Add the probe: every condition moves phi on the forget set by a population's gain, 0 by default, and a little noise."""
    rng = np.random.default_rng(seed)
    test = probed(len(evidence.labels["test"]), TESTED)

    def moved(population: str, split: str, gain: float) -> tuple[NDArray[Any], NDArray[Any]]:
        labels, logits = evidence.labels[split], evidence.logits[population][split]
        if split == "test":
            labels, logits = labels[test], logits[:, test]
        changed = np.array(logits)
        noise = 0.1 * rng.standard_normal(logits.shape[:2])
        changed[:, np.arange(len(labels)), labels] += (gain + noise).astype(changed.dtype)
        return answered(changed, labels)

    def arrays(population: str) -> dict[str, NDArray[Any]]:
        given = np.zeros(evidence.logits[population]["forget"].shape[:2], dtype=np.uint8)
        given[:, : min(GIVEN, given.shape[1] // 2)] = 1
        found: dict[str, NDArray[Any]] = {"given": given}
        for name in NAMES:
            gain = gains.get(name, {}).get(population, 0.0)
            found[f"{name}/forget"], found[f"{name}/hits"] = moved(population, "forget", gain)
            found[f"{name}/test"], _ = moved(population, "test", 0.0)
        return found

    return replace(evidence, probes={"recovery": {population: arrays(population) for population in evidence.logits}})


def taken(evidence: Evidence, rows: Mapping[str, NDArray[Any]], order: Mapping[str, NDArray[Any]]) -> Probes:
    """Return the probe's arrays with models, and examples of splits, in another order; those not named keep theirs."""
    found: Probes = {}
    for probe, populations in evidence.probes.items():
        found[probe] = {}
        for population, arrays in populations.items():
            found[probe][population] = {}
            for name, array in arrays.items():
                of_forget = name == "given" or name.endswith("/hits")
                named = (part for part in reversed(re.split("[/@]", name)) if part in order)
                split = next(named, "forget" if of_forget else "")
                of_models = array[rows[population]] if population in rows else array
                found[probe][population][name] = (
                    of_models[:, order[split]] if split in order and array.ndim > 1 else of_models
                )
    return found
