"""Made-up populations of models whose truth is known.

The logit-scaled confidence of model r on example i is mu_i + s_i (sqrt(c) a_r + sqrt(1 - c) e_ri + shift h_i), with
mu ~ N(0, 4), ln s ~ N(0, .22^2), h = abs(N(1.4, .8^2)), a ~ N(0, 1), and c the correlation of examples. The no-op has a
shift of 1. The first kind has the moments of the bundled task `faces`: correlation .01, tails of a Normal. The second has
correlation .1; the third Student's t with 3 degrees of freedom and ln s ~ N(0, .8^2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, Population, SplitName, Timings

Values = NDArray[np.float64]

SHIFTS = {"null": 0.0, "moderate": 0.25, "no-op": 1.0}
"""What is left in the unlearned models, as a share of the no-op's shift."""

FORGOTTEN, UNSEEN = 100, 300
"""Examples."""


@dataclass(frozen=True)
class Kind:
    """One kind of populations.

    Attributes:
        name: as the table calls it.
        correlation: of two examples over models.
        spread: standard deviation of ln s.
        heavy: whether e has Student's t distribution with 3 degrees of freedom, scaled to variance 1.
    """

    name: str
    correlation: float = 0.01
    spread: float = 0.22
    heavy: bool = False


KINDS = (Kind("faces-like"), Kind("correlation .1", correlation=0.1), Kind("t3 tails", spread=0.8, heavy=True))


@dataclass(frozen=True)
class World:
    """Examples of a task, which stay as they are while models are drawn anew."""

    kind: Kind
    mean: Values
    scale: Values
    shift: Values

    @classmethod
    def of(cls, kind: Kind, n: int) -> World:
        """Draw n examples, the same ones in every study."""
        rng = np.random.default_rng(n)
        mean, scale = rng.normal(0, 2, n), np.exp(kind.spread * rng.normal(size=n))
        return cls(kind, mean, scale, np.abs(rng.normal(1.4, 0.8, n)))

    def models(self, n_models: int, shift: float, rng: np.random.Generator) -> Values:
        """Return phi of models, shape (n_models, n)."""
        shape = n_models, len(self.mean)
        own = rng.standard_t(3, shape) / np.sqrt(3) if self.kind.heavy else rng.normal(size=shape)
        common = rng.normal(size=(n_models, 1))
        noise = np.sqrt(self.kind.correlation) * common + np.sqrt(1 - self.kind.correlation) * own
        return self.mean + self.scale * (noise + shift * self.shift)


def evidence(kind: Kind, n_models: int, shift: float, seed: int) -> Evidence:
    """Draw models of all populations anew, unlearned ones with ``shift`` of the no-op's, and another seed of the evaluation."""
    rng = np.random.default_rng([seed, n_models])
    worlds: dict[SplitName, World] = {"forget": World.of(kind, FORGOTTEN), "test": World.of(kind, UNSEEN)}
    shifts: dict[Population, float] = {"unlearned": shift, "retrained": 0.0, "control": 0.0, "original": 1.0}

    def logits(world: World, of: float) -> NDArray[np.float32]:
        phi = world.models(n_models, of, rng)
        return np.stack([phi, np.zeros_like(phi)], axis=2).astype(np.float32)

    one = np.ones(n_models)
    return Evidence(
        n_classes=2,
        ids={split: np.array([f"{split}-{i}" for i in range(len(world.mean))]) for split, world in worlds.items()},
        labels={split: np.zeros(len(world.mean), dtype=np.int64) for split, world in worlds.items()},
        logits={
            name: {split: logits(world, of if split == "forget" else 0.0) for split, world in worlds.items()}
            for name, of in shifts.items()
        },
        unlearned_from=np.arange(n_models),
        timings=Timings(unlearn_s=one, retrain_s=one, limit_s=1.0, peak_rss_mib=one, peak_gpu_mib=one),
        seed=seed,
        class_names=("a", "b"),
    )
