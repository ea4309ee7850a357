"""Training and logits on inputs other than bytes of pictures: vectors, sequences, floating-point pictures, token ids."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from reference_specs import assert_close
from torch import Tensor, nn

from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe, model_spec_from_json, to_json
from reference_models.training.ensembles import ENSEMBLES, Mechanism
from reference_models.training.grouped import UnsupportedLayerError
from reference_models.training.loop import train_chunk, train_one
from reference_models.training.mechanism import choose_mechanism, initial_state, probe_inputs
from reference_models.training.prediction import stacked_logits
from reference_models.training.states import member_state, stack_states

N = 20
LABELS = np.random.default_rng(1).integers(0, 4, N)
RECIPE = Recipe(epochs=1, batch_size=20, lr=0.05)
SEEDS = (1, 2, 3)


def sequences(input_shape: Sequence[int], n_classes: int) -> nn.Module:
    """Return a network of sequences of vectors, whose layer sees all steps of a sequence."""
    length, width = input_shape
    return nn.Sequential(nn.Linear(width, 6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * length, n_classes))


def spec(name: str, shape: tuple[int, ...], dtype: str = "float32", **fields: object) -> ModelSpec:
    return ModelSpec(ArchitectureSpec(name), shape, 4, dtype=dtype, **fields)  # type: ignore[arg-type]


CASES: dict[str, tuple[ModelSpec, Mechanism]] = {
    "vectors": (spec("mlp", (7,)), "grouped"),
    "normalised vectors": (spec("mlp", (7,), "float64", mean=(1.0,) * 7, std=(3.0,) * 7), "grouped"),
    "bytes": (spec("mlp", (7,), "uint8"), "grouped"),
    "booleans": (spec("mlp", (7,), "bool"), "grouped"),
    "sequences": (spec("test_other_inputs:sequences", (5, 3)), "vmap"),
    "floating-point pictures": (spec("small-cnn", (2, 12, 12), mean=(0.5, 1.0), std=(2.0, 0.5)), "grouped"),
    "pictures of half precision, not normalised": (spec("patch-cnn", (2, 12, 12), "float16"), "grouped"),
    "texts": (spec("embedding-bag", (9,), "int32", vocabulary=30), "vmap"),
    "token ids": (spec("embedding-bag", (9,), "int32", vocabulary=30), "vmap"),
}


def inputs_of(of: ModelSpec) -> NDArray[np.generic]:
    return probe_inputs(of, N).numpy()


@pytest.mark.parametrize("name", CASES)
def test_a_step_of_members_together_is_that_of_each_alone(name: str) -> None:
    of, mechanism = CASES[name]
    inputs = inputs_of(of)
    assert choose_mechanism(of) == mechanism

    chunk = train_chunk(of, RECIPE, inputs, LABELS, SEEDS)

    assert_close(chunk, stack_states([train_one(of, RECIPE, inputs, LABELS, seed) for seed in SEEDS]))
    assert not torch.equal(next(iter(chunk.values())), next(iter(initial_state(of, SEEDS).values())))


def read(of: ModelSpec, stored: Tensor) -> Tensor:
    """Return what the network reads, by the definition."""
    if of.vocabulary is not None:
        return stored.long()
    values = stored.double() / (255 if of.dtype == "uint8" else 1)
    shape = (-1, *[1] * (len(of.input_shape) - 1))
    if of.mean:
        values = (values - torch.tensor(of.mean).view(shape)) / torch.tensor(of.std).view(shape)
    return values.float()


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_the_module_on_what_it_reads(name: str) -> None:
    of, _ = CASES[name]
    inputs, state = inputs_of(of), initial_state(of, (5,))

    logits = stacked_logits(of, state, inputs, batch_size=8)

    model = build_model(of, None).eval()
    model.load_state_dict(member_state(state, 0))
    expected = model(read(of, torch.from_numpy(inputs))).detach()
    torch.testing.assert_close(torch.from_numpy(logits[0]), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_a_specification_survives_json(name: str) -> None:
    of, _ = CASES[name]

    assert model_spec_from_json(to_json(of)) == of


def test_sequences_have_no_k_fold_form() -> None:
    of, _ = CASES["sequences"]
    template = build_model(of, 0)

    with pytest.raises(UnsupportedLayerError, match="only pictures and vectors"):
        ENSEMBLES["grouped"](of, template, initial_state(of, SEEDS), torch.device("cpu"))


def test_only_pictures_have_channels_and_a_size() -> None:
    of, _ = CASES["vectors"]

    assert math.prod(of.input_shape) == 7
    with pytest.raises(ValueError, match=r"no pictures: an example has the shape \(7,\)"):
        _ = of.in_channels
