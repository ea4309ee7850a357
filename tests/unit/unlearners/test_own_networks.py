"""Bundled methods on networks with tied weights, frozen parameters and buffers that count."""

from __future__ import annotations

import pytest
import torch

from harness_guest.data import Normalisation, SplitData
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec
from tests.unit.guest.networks import N_CLASSES
from tests.unit.unlearners.bench import BUDGETED, context, distance, run


def split(n_examples: int, seed: int) -> SplitData:
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (n_examples, 1, 6, 6), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, N_CLASSES, (n_examples,), generator=generator)
    return SplitData(pictures, labels, N_CLASSES, Normalisation((0.5,), (0.25,)))


@pytest.mark.parametrize("kind", ["Tied", "Frozen", "Counting"])
@pytest.mark.parametrize("name", BUDGETED)
def test_a_method_works_on_them(name: str, kind: str) -> None:
    architecture = ArchitectureSpec("tests.unit.guest.networks:network", {"kind": kind})
    spec = ModelSpec(architecture, (1, 6, 6), N_CLASSES, (0.5,), (0.25,))
    original = build_model(spec, 0)
    options = {"ssd": {"alpha": 0.5}}.get(name, {})

    model = run(name, original, context({**options, "batch_size": 8}, spec), split(33, 0), split(9, 1))

    assert all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values())
    assert distance(model, original) > 1e-6
