from __future__ import annotations

import numpy as np
import pytest
import torch
from reference_specs import SPECS, Examples, spec_of

from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import Recipe
from reference_models.training.loop import train_chunk
from reference_models.training.mechanism import initial_state
from reference_models.training.prediction import stacked_logits
from reference_models.training.states import StackedState, member_state, take_members

ALL_SPECS = {
    **SPECS,
    "vmap": spec_of("reference_specs:channel_mixer"),
    "loop": spec_of("reference_specs:with_dropout"),
}


def _trained(name: str, examples: Examples) -> StackedState:
    return train_chunk(ALL_SPECS[name], Recipe(epochs=1, batch_size=10, lr=0.01), *examples, (1, 2, 3))


@pytest.mark.parametrize("name", ALL_SPECS)
def test_logits_equal_those_of_ordinary_modules_in_evaluation_mode(name: str, examples: Examples) -> None:
    spec, state = ALL_SPECS[name], _trained(name, examples)

    logits = stacked_logits(spec, state, examples[0], batch_size=7)

    assert logits.shape == (3, 20, 4)
    assert logits.dtype == np.float32
    for member in range(3):
        model = build_model(spec, None)
        model.load_state_dict(member_state(state, member))
        with torch.no_grad():
            expected = model.eval()(normalise(torch.from_numpy(examples[0]), spec.mean, spec.std))
        np.testing.assert_allclose(logits[member], expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ALL_SPECS)
def test_logits_of_one_model_alone_equal_its_row_in_a_population(name: str, examples: Examples) -> None:
    spec, state = ALL_SPECS[name], _trained(name, examples)

    alone = stacked_logits(spec, take_members(state, slice(1, 2)), examples[0])

    np.testing.assert_array_equal(alone[0], stacked_logits(spec, state, examples[0])[1])


def test_prediction_leaves_the_state_alone(examples: Examples) -> None:
    state = _trained("small-cnn-batch", examples)
    before = {name: tensor.clone() for name, tensor in state.items()}

    stacked_logits(SPECS["small-cnn-batch"], state, examples[0])

    assert all(torch.equal(before[name], state[name]) for name in state)


def test_no_pictures_give_no_logits() -> None:
    state = initial_state(SPECS["mlp"], (1, 2))

    assert stacked_logits(SPECS["mlp"], state, np.empty((0, 3, 16, 16), np.uint8)).shape == (2, 0, 4)
