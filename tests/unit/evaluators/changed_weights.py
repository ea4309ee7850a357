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


def _line(rng: np.random.Generator, models: int) -> NDArray[np.float32]:
    """Return losses that rise by about 1 to the middle of the line, shape (N, 11)."""
    shares = np.linspace(0, 1, 11)
    height = 1 + 0.2 * rng.standard_normal((models, 1))
    return (0.1 + 0.2 * shares + height * 4 * shares * (1 - shares)).astype(np.float32)


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
            **{f"distance@{place:03d}@{name}": distance * place for place, name in ((1, "fc"), (2, "0"))},
            **{f"line_{split}": _line(rng, models) for split in ("retain", "test")},
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
