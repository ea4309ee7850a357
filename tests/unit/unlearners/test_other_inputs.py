"""Bundled methods on inputs other than pictures: vectors of numbers, and token ids."""

from __future__ import annotations

import pytest
import torch

from harness_guest.data import Normalisation, SplitData
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec
from tests.unit.unlearners.bench import BUDGETED, N_CLASSES, context, distance, run

SPECS = {
    "vectors": ModelSpec(ArchitectureSpec("mlp", {"hidden": [8]}), (7,), N_CLASSES, dtype="float32"),
    "tokens": ModelSpec(
        ArchitectureSpec("embedding-bag", {"width": 8, "hidden": []}), (5,), N_CLASSES, dtype="int32", vocabulary=20
    ),
}
OPTIONS = {"ssd": {"alpha": 0.5}}


def split(kind: str, n_examples: int, seed: int) -> SplitData:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, N_CLASSES, (n_examples,), generator=generator)
    if kind == "vectors":
        inputs = torch.randn(n_examples, 7, generator=generator)
    else:
        inputs = torch.randint(0, 20, (n_examples, 5), generator=generator).to(torch.int32)
    return SplitData(inputs, labels, N_CLASSES, Normalisation())


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("name", BUDGETED)
def test_a_method_works_on_them(name: str, kind: str) -> None:
    original = build_model(SPECS[kind], 0)
    about = context({**OPTIONS.get(name, {}), "batch_size": 8}, SPECS[kind])

    model = run(name, original, about, split(kind, 33, 0), split(kind, 9, 1))

    assert all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values())
    assert distance(model, original) > 1e-6
