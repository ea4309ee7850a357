"""Evidence with what the change of the weights tells, for ``difference``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, probed

NEAR = {"unlearned": 0.3, "original": 0.0}
"""Mean distance from the original by population, in units of a retrained model's."""


def with_differences(evidence: Evidence, shift: Mapping[str, float], seed: int = 0) -> Evidence:
    """Add the probe: slopes and cosines of forgotten examples are higher by a population's shift, 0 by default."""
    rng = np.random.default_rng(seed)

    def of(population: str, split: str, gain: float) -> NDArray[np.float32]:
        examples = len(probed(len(evidence.labels[split]), 512))
        models = len(evidence.logits[population]["forget"])
        return (gain + rng.standard_normal((models, examples))).astype(np.float32)

    def arrays(population: str) -> dict[str, NDArray[Any]]:
        models = len(evidence.logits[population]["forget"])
        gain = shift.get(population, 0.0)
        distance = (NEAR.get(population, 1.0) * (7 + 0.1 * rng.standard_normal(models))).astype(np.float32)
        return {
            "distance": distance,
            "relative_distance": distance / 10,
            "barrier": np.abs(rng.standard_normal(models)).astype(np.float32),
            **{
                f"slope@{split}": of(population, split, gain * (split == "forget"))
                for split in ("forget", "retain", "test")
            },
            **{
                f"cosine@{split}": of(population, split, gain * (split == "forget")) / 10
                for split in ("forget", "test")
            },
        }

    return replace(evidence, probes={"difference": {population: arrays(population) for population in evidence.logits}})
