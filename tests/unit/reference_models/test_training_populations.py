from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from reference_specs import SPECS, Examples, assert_identical, spec_of

from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import Recipe
from reference_models.training.loop import train_chunk, train_one
from reference_models.training.mechanism import choose_mechanism
from reference_models.training.prediction import stacked_logits
from reference_models.training.states import manifest, member_state, n_members

RECIPE = Recipe(epochs=2, batch_size=8, lr=0.02, augment=("crop-pad-4", "horizontal-flip"))
DROPOUT = spec_of("reference_specs:with_dropout")


@pytest.mark.parametrize("name", SPECS)
def test_the_same_seeds_give_the_same_weights_bit_by_bit(name: str, examples: Examples) -> None:
    first = train_chunk(SPECS[name], RECIPE, *examples, (1, 2))

    assert_identical(first, train_chunk(SPECS[name], RECIPE, *examples, (1, 2)))


def test_other_seeds_give_other_weights(examples: Examples) -> None:
    state = train_chunk(SPECS["mlp"], RECIPE, *examples, (1, 2))

    assert not torch.equal(state["1.weight"][0], state["1.weight"][1])


@pytest.mark.parametrize("changed", ["order", "augmentation"])
def test_a_member_draws_its_order_and_its_augmentation_from_its_seed(changed: str, examples: Examples) -> None:
    recipe = RECIPE if changed == "augmentation" else replace(RECIPE, augment=())
    batch_size = 20 if changed == "augmentation" else 8
    recipe = replace(recipe, epochs=1, batch_size=batch_size)

    one, other = (train_one(SPECS["mlp"], recipe, *examples, seed) for seed in (1, 2))

    steps = [
        {name: state[name] - build_model(SPECS["mlp"], seed).state_dict()[name] for name in state}
        for seed, state in ((1, one), (2, other))
    ]
    assert not torch.allclose(steps[0]["5.bias"], steps[1]["5.bias"])


@pytest.mark.parametrize("spec", [SPECS["small-cnn-batch"], DROPOUT], ids=["plain", "random-layers"])
def test_training_leaves_the_global_random_state_alone(examples: Examples, spec: object) -> None:
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index,union-attr]

    train_chunk(spec, RECIPE, *examples, (1, 2))  # type: ignore[arg-type]

    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # type: ignore[index]


def test_training_does_not_depend_on_the_global_random_state(examples: Examples) -> None:
    torch.manual_seed(1)
    first = train_chunk(SPECS["mlp"], RECIPE, *examples, (1, 2))
    torch.manual_seed(2)

    assert_identical(first, train_chunk(SPECS["mlp"], RECIPE, *examples, (1, 2)))


def test_a_member_with_random_layers_does_not_depend_on_its_neighbours(examples: Examples) -> None:
    chunk = train_chunk(DROPOUT, RECIPE, *examples, (5, 6))

    assert choose_mechanism(DROPOUT) == "loop"
    assert_identical(member_state(chunk, 1), train_one(DROPOUT, RECIPE, *examples, 6))


def test_an_architecture_that_mixes_channels_is_computed_by_vmap(examples: Examples) -> None:
    spec = spec_of("reference_specs:channel_mixer")

    chunk = train_chunk(spec, replace(RECIPE, epochs=1), *examples, (5, 6))

    assert choose_mechanism(spec) == "vmap"
    torch.testing.assert_close(
        chunk["head.weight"][1], train_one(spec, replace(RECIPE, epochs=1), *examples, 6)["head.weight"]
    )


@pytest.mark.parametrize("name", SPECS)
def test_bundled_architectures_are_computed_side_by_side(name: str) -> None:
    assert choose_mechanism(SPECS[name]) == "grouped"


@pytest.mark.parametrize(("drop_last", "steps"), [(False, 6), (True, 4)])
def test_every_step_is_reported(examples: Examples, drop_last: bool, steps: int) -> None:
    reported: list[tuple[int, int]] = []

    train_chunk(
        SPECS["mlp"], replace(RECIPE, drop_last=drop_last), *examples, (1,), on_step=lambda *step: reported.append(step)
    )

    assert reported == [(done, steps) for done in range(1, steps + 1)]


def test_training_learns(examples: Examples) -> None:
    images, labels = examples
    recipe = Recipe(epochs=30, batch_size=10, lr=0.05, schedule="one-cycle")
    spec = spec_of("small-cnn", width=8)

    logits = stacked_logits(spec, train_chunk(spec, recipe, images, labels, (1, 2, 3)), images)

    assert ((logits.argmax(-1) == labels).mean(1) > 0.9).all()


def test_a_chunk_has_the_tensors_of_one_model_with_a_member_dimension(examples: Examples) -> None:
    spec = SPECS["resnet18"]

    state = train_chunk(spec, replace(RECIPE, epochs=1), *examples, (1, 2, 3))

    assert n_members(state) == 3
    assert manifest(member_state(state, 0)) == manifest(build_model(spec, None).state_dict())
    assert all(tensor.is_contiguous() for tensor in state.values())


def test_pictures_of_another_shape_are_refused(examples: Examples) -> None:
    with pytest.raises(ValueError, match="inputs must be uint8 of shape"):
        train_chunk(SPECS["mlp"], RECIPE, examples[0][:, :1], examples[1], (1,))


def test_no_seeds_are_refused(examples: Examples) -> None:
    with pytest.raises(ValueError, match="no seeds"):
        train_chunk(SPECS["mlp"], RECIPE, *examples, ())


def test_an_epoch_without_a_step_is_refused(examples: Examples) -> None:
    with pytest.raises(ValueError, match="make no step of 64"):
        train_chunk(SPECS["mlp"], Recipe(batch_size=64, drop_last=True), *examples, (1,))
