"""Recipes in bfloat16: near the float32 step, with float32 weights, and alone as together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from reference_specs import SPECS, Examples

from reference_models.networks.recipe import Recipe, recipe_from_json, to_json
from reference_models.training.arithmetic import autocast
from reference_models.training.ensembles import Mechanism
from reference_models.training.loop import train_chunk, train_one
from reference_models.training.states import StackedState, member_state

RECIPE = Recipe(epochs=1, batch_size=10, lr=0.02, precision="bfloat16", chunk=3)
SEEDS = (5, 6, 7)


def _relative(one: StackedState, other: StackedState) -> float:
    """Return the distance of two states, divided by the norm of the second."""
    names = [name for name, tensor in one.items() if tensor.is_floating_point()]
    gap = sum(float((one[name] - other[name]).square().sum()) for name in names)
    return (gap / sum(float(other[name].square().sum()) for name in names)) ** 0.5


@pytest.mark.parametrize("mechanism", ["grouped", "vmap", "loop"])
@pytest.mark.parametrize("name", ["patch-cnn", "resnet9", "mlp"])
def test_bfloat16_moves_weights_nearly_as_float32_does(name: str, mechanism: Mechanism, examples: Examples) -> None:
    half = train_chunk(SPECS[name], RECIPE, *examples, SEEDS, mechanism=mechanism)
    full = train_chunk(SPECS[name], replace(RECIPE, precision="float32"), *examples, SEEDS, mechanism=mechanism)
    assert {tensor.dtype for tensor in half.values()} <= {torch.float32, torch.int64}
    assert 0 < _relative(half, full) < 0.02


def test_a_member_trained_alone_is_near_its_twin_among_others(examples: Examples) -> None:
    together = train_chunk(SPECS["patch-cnn"], RECIPE, *examples, SEEDS)
    alone = train_one(SPECS["patch-cnn"], RECIPE, *examples, SEEDS[1])
    assert _relative(member_state(together, 1), alone) < 0.02


def test_weights_that_change_within_the_context_are_not_read_from_a_cache() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    with autocast(RECIPE, torch.device("cpu")):
        outputs = []
        for value in (1.0, 2.0):
            with torch.no_grad():
                layer.weight.fill_(value)
            outputs.append(layer(torch.ones(1, 1)).item())
    assert outputs == [1.0, 2.0]


def test_the_precision_is_part_of_the_stored_recipe() -> None:
    assert recipe_from_json(to_json(RECIPE)) == RECIPE
    assert to_json(RECIPE)["precision"] == "bfloat16"
