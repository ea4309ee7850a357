"""One step of many members equals each member's own step in plain PyTorch, from the same state."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from reference_specs import SPECS, Examples, assert_close, assert_steps_agree

from reference_models.networks.architectures import build_model
from reference_models.networks.augmentation import augment
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import ModelSpec, Recipe
from reference_models.training.ensembles import Mechanism
from reference_models.training.examples import Examples as ResidentExamples
from reference_models.training.grouped import grouped_module
from reference_models.training.loop import make_optimizer, take_step, train_chunk, train_one
from reference_models.training.mechanism import initial_state, make_ensemble
from reference_models.training.sampling import Batch, member_batches, population_batches
from reference_models.training.states import State, member_state, stack_states

SEEDS = (11, 12, 13)
SGD = Recipe(
    epochs=2, batch_size=8, lr=0.05, nesterov=True, label_smoothing=0.1, augment=("horizontal-flip", "crop-pad-4")
)
RECIPES = {"sgd": SGD, "adam": replace(SGD, optimizer="adam", lr=0.001, nesterov=False)}
STEPS = 4
LR = 0.01


def _plain_step(
    spec: ModelSpec,
    recipe: Recipe,
    examples: Examples,
    before: State,
    moments: list[dict[str, torch.Tensor]],
    batch: Batch,
) -> State:
    model = build_model(spec, None)
    model.load_state_dict(before)
    parameters = list(model.parameters())
    optimizer: torch.optim.Optimizer = torch.optim.SGD(
        parameters, lr=LR, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )
    if recipe.optimizer == "adam":
        optimizer = torch.optim.Adam(parameters, lr=LR, weight_decay=recipe.weight_decay)
    for parameter, own in zip(parameters, moments, strict=True):
        optimizer.state[parameter].update(own)
    images, labels = torch.from_numpy(examples[0])[batch.index], torch.from_numpy(examples[1])[batch.index]
    # Contiguous: see :data:`reference_models.training.ensembles.NARROW`.
    images = augment(images.permute(0, 2, 3, 1), recipe.augment, batch.draws).permute(0, 3, 1, 2).contiguous()
    logits = model(normalise(images, spec.mean, spec.std))
    F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing).backward()
    optimizer.step()
    return model.state_dict()


def _moments(optimizer: torch.optim.Optimizer, spec: ModelSpec, member: int) -> list[dict[str, torch.Tensor]]:
    """Return one member's optimizer state, copied from the stacked state."""
    shapes = [parameter.shape for parameter in build_model(spec, None).parameters()]
    stacked = [optimizer.state.get(parameter, {}) for parameter in optimizer.param_groups[0]["params"]]
    moments: list[dict[str, torch.Tensor]] = [{} for _ in shapes]
    for kind in sorted({kind for own in stacked for kind in own}):
        values = [own[kind] for own in stacked]
        if kind != "step":
            values = [value.reshape(len(SEEDS), *shape)[member] for value, shape in zip(values, shapes, strict=True)]
        for own, value in zip(moments, values, strict=True):
            own[kind] = value.clone()
    return moments


WAYS = list(itertools.product(SPECS, ["grouped", "vmap"]))


@pytest.mark.parametrize("optimizer_name", RECIPES)
@pytest.mark.parametrize(("name", "mechanism"), WAYS)
def test_every_step_equals_the_plain_step_from_the_same_state(
    name: str, optimizer_name: str, mechanism: Mechanism, examples: Examples
) -> None:
    spec, recipe = SPECS[name], RECIPES[optimizer_name]
    ensemble = make_ensemble(spec, initial_state(spec, SEEDS), "cpu", mechanism)
    optimizer = make_optimizer(recipe, ensemble.parameters(), fused=True)
    resident = ResidentExamples(*examples, recipe, torch.device("cpu"), spec)
    streams = [member_batches(recipe, len(examples[1]), seed) for seed in SEEDS]

    for _, batch in zip(range(STEPS), population_batches(recipe, len(examples[1]), SEEDS), strict=False):
        before = ensemble.state()
        expected = [
            _plain_step(spec, recipe, examples, member_state(before, k), _moments(optimizer, spec, k), next(stream))
            for k, stream in enumerate(streams)
        ]
        take_step(ensemble, optimizer, resident, batch, LR)
        assert_steps_agree(ensemble.state(), stack_states(expected), recipe)


@pytest.mark.parametrize("optimizer_name", RECIPES)
@pytest.mark.parametrize(("name", "mechanism"), [*WAYS, *itertools.product(SPECS, ["loop"])])
def test_a_chunk_trained_for_one_step_equals_models_trained_alone(
    name: str, optimizer_name: str, mechanism: Mechanism, examples: Examples
) -> None:
    recipe = replace(RECIPES[optimizer_name], epochs=1, batch_size=20)

    chunk = train_chunk(SPECS[name], recipe, *examples, SEEDS, mechanism=mechanism)

    alone = stack_states([train_one(SPECS[name], recipe, *examples, seed) for seed in SEEDS])
    assert_steps_agree(chunk, alone, recipe)


@pytest.mark.parametrize("name", SPECS)
def test_a_step_of_a_member_does_not_depend_on_its_neighbours(name: str, examples: Examples) -> None:
    recipe = replace(SGD, epochs=1, batch_size=20)
    forward = train_chunk(SPECS[name], recipe, *examples, (1, 2, 3))

    backward = train_chunk(SPECS[name], recipe, *examples, (3, 9, 1))

    assert_close(member_state(forward, 0), member_state(backward, 2), 1e-6)
    assert_close(member_state(forward, 2), member_state(backward, 0), 1e-6)


def test_running_statistics_equal_those_of_models_trained_alone(examples: Examples) -> None:
    spec, recipe = SPECS["small-cnn-batch"], replace(SGD, epochs=1, lr=1e-4)

    chunk = train_chunk(spec, recipe, *examples, SEEDS)

    alone = stack_states([train_one(spec, recipe, *examples, seed) for seed in SEEDS])
    statistics = [name for name in chunk if "running" in name or "tracked" in name]
    assert len(statistics) == 9
    assert_close({name: chunk[name] for name in statistics}, {name: alone[name] for name in statistics})
    assert chunk["1.num_batches_tracked"].tolist() == [3, 3, 3]


def test_members_that_are_matrix_products_do_not_depend_on_how_many_there_are(examples: Examples) -> None:
    recipe = replace(SGD, epochs=1)

    several = train_chunk(SPECS["patch-cnn"], recipe, *examples, SEEDS)
    one = train_chunk(SPECS["patch-cnn"], recipe, *examples, SEEDS[1:2])

    assert_close(member_state(several, 1), member_state(one, 0), 1e-6)


@pytest.mark.parametrize("padding", [(0, 0), (1, 0), (2, 1)])
def test_a_patch_convolution_pads_and_drops_as_torch_does(padding: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    alone = [torch.nn.Conv2d(2, 5, (3, 2), stride=(3, 2), padding=padding) for _ in range(2)]
    together = grouped_module(torch.nn.Sequential(alone[0]), 2)
    together.load_state_dict(
        {f"0.{name}": values for name, values in stack_states([c.state_dict() for c in alone]).items()}
    )
    pictures = torch.randn(2, 4, 7, 5, 2, generator=generator)

    found = together(pictures)

    for own, conv, image in zip(found, alone, pictures, strict=True):
        torch.testing.assert_close(own, conv(image.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
