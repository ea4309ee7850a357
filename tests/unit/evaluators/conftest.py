"""Synthetic evidence: logits with a chosen distribution of phi."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.evaluation import SPLITS, Evidence, Timings

Values = NDArray[np.float64]
POPULATIONS = ("original", "retrained", "control", "unlearned")


def logits_with_phi(phi: Values, labels: NDArray[np.int64], n_classes: int, rng: np.random.Generator) -> Values:
    """Return logits, shape (N, n, C), with the given phi of the true class: z_y = phi + logsumexp of the others."""
    others = rng.standard_normal((*phi.shape, n_classes))
    rows, columns = np.indices(phi.shape)
    others[rows, columns, labels] = -np.inf
    top = others.max(axis=2)
    others[rows, columns, labels] = phi + top + np.log(np.exp(others - top[..., None]).sum(axis=2))
    return others


def evidence_of(
    phis: Mapping[str, Mapping[str, Values]], n_classes: int = 4, seed: int = 0, **timings: Any
) -> Evidence:
    """Return evidence with the given phi by population and split; labels and other logits are drawn from ``seed``."""
    rng = np.random.default_rng(seed)
    splits = next(iter(phis.values())).keys()
    sizes = {split: next(iter(phis.values()))[split].shape[1] for split in splits}
    labels = {split: rng.integers(n_classes, size=size) for split, size in sizes.items()}
    logits = {
        population: {
            split: logits_with_phi(phi, labels[split], n_classes, rng).astype(np.float32) for split, phi in by.items()
        }
        for population, by in phis.items()
    }
    n_unlearned = len(next(iter(phis["unlearned"].values())))
    nothing = np.zeros(0)
    times = {
        "unlearn_s": nothing,
        "retrain_s": nothing,
        "limit_s": None,
        "peak_rss_mib": nothing,
        "peak_gpu_mib": nothing,
    }
    return Evidence(
        n_classes=n_classes,
        ids={split: np.array([f"{split}-{i}" for i in range(size)]) for split, size in sizes.items()},
        labels=labels,
        logits=logits,
        unlearned_from=np.arange(n_unlearned),
        timings=Timings(**{**times, **timings}),
        seed=seed,
    )


def gaussian_evidence(
    shift: float = 0.0,
    noop: float = 1.5,
    n_models: int | Mapping[str, int] = 32,
    n_examples: int = 100,
    n_classes: int = 4,
    seed: int = 0,
) -> Evidence:
    """Return phi of unit spread on every split; on forget, unlearned models are shifted by ``shift``, originals by ``noop``."""
    rng = np.random.default_rng(seed + 1000)
    sizes = n_models if isinstance(n_models, Mapping) else dict.fromkeys(POPULATIONS, n_models)
    centres = {split: rng.normal(1, 2, n_examples) for split in SPLITS}
    shifts = {"original": noop, "unlearned": shift, "retrained": 0.0, "control": 0.0}

    def draw(population: str, split: str) -> Values:
        moved = shifts[population] if split == "forget" else 0.0
        return centres[split] + moved + rng.standard_normal((sizes[population], n_examples))

    return evidence_of({pop: {split: draw(pop, split) for split in SPLITS} for pop in POPULATIONS}, n_classes, seed)


@pytest.fixture
def gaussian() -> Callable[..., Evidence]:
    """Return :func:`gaussian_evidence`."""
    return gaussian_evidence


@pytest.fixture
def with_phi() -> Callable[..., Evidence]:
    """Return :func:`evidence_of`."""
    return evidence_of
